import type { Random } from '../crash/random.ts'
import { LARGEST } from './shared.ts'

const LONGEST = 4_096

/** A changed copy of an input: a few small steps, with tokens of the language and pieces of other inputs. */
export function mutate(random: Random, input: Buffer, tokens: readonly string[], others: readonly Buffer[]): Buffer {
  let out: Buffer = Buffer.from(input)
  for (let steps = random.chance(0.5) ? 1 : random.between(2, 4); steps > 0; steps -= 1)
    out = step(random, out, tokens, others)
  if (random.chance(0.01)) out = grow(random, out)
  return out.subarray(0, LARGEST)
}

function step(random: Random, input: Buffer, tokens: readonly string[], others: readonly Buffer[]): Buffer {
  const at = random.between(0, input.length)
  const end = Math.min(input.length, at + random.between(1, 8))
  const replace = (from: number, to: number, piece: Uint8Array): Buffer =>
    Buffer.concat([input.subarray(0, from), piece, input.subarray(to)]).subarray(0, LONGEST)
  switch (random.between(0, 8)) {
    case 0:
      return replace(at, Math.min(input.length, at + 1), Buffer.of(random.between(0, 255)))
    case 1:
      return replace(at, at, Buffer.of(random.between(0, 255)))
    case 2:
      return replace(at, end, Buffer.alloc(0))
    case 3:
      return replace(at, at, input.subarray(at, end))
    case 4:
    case 5:
      return tokens.length === 0 ? input : replace(at, random.chance(0.5) ? at : end, Buffer.from(random.pick(tokens)))
    case 6: {
      const other = others.length === 0 ? input : random.pick(others)
      const from = random.between(0, other.length)
      return replace(at, end, other.subarray(from, from + random.between(1, 64)))
    }
    case 7: {
      const other = others.length === 0 ? input : random.pick(others)
      return Buffer.concat([input.subarray(0, at), other.subarray(random.between(0, other.length))]).subarray(
        0,
        LONGEST,
      )
    }
    default: {
      if (at >= input.length) return input
      const changed = Buffer.from(input)
      changed[at] = (changed[at] as number) ^ (1 << random.between(0, 7))
      return changed
    }
  }
}

/** One piece again and again: work that is not linear in the input then shows in its time. */
function grow(random: Random, input: Buffer): Buffer {
  const at = random.between(0, input.length)
  const end = Math.min(input.length, at + random.between(1, 8))
  if (end === at) return input
  const times = random.between(2, Math.floor(LARGEST / (end - at)))
  return Buffer.concat([
    input.subarray(0, at),
    ...new Array<Buffer>(times).fill(input.subarray(at, end)),
    input.subarray(end),
  ])
}
