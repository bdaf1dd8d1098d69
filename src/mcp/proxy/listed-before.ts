import { isUtf8 } from 'node:buffer'
import { duplicateOf, memberOf, membersAt, skipSpace } from './spans.ts'

/** An answer that came before under another id. */
export interface ListedBefore {
  /** JSON text of its id now. */
  readonly id: string
  /** What the client gets behind the id, with the end of the line. */
  readonly rest: Buffer
}

/**
 * Lists are large and are asked for again and again, and an answer that is the same to the last byte but for its id has
 * the same meaning: it need not be read again.
 */
export interface ListMemory {
  /** @param answer its bytes, in as many pieces as they came in */
  find(answer: readonly Buffer[]): ListedBefore | undefined
  /** `result`: what the client gets for the result of `answer`. */
  keep(answer: Buffer, result: string): void
  forget(): void
}

interface Kept {
  readonly bytes: number
  readonly before: Buffer
  readonly after: Buffer
  readonly rest: Buffer
}

/** Of all answers that are kept together; a list of a thousand tools has a third of a mebibyte. */
const MOST_BYTES = 4 * 1024 * 1024

/** An id in whose place another one changes nothing else of what the text means. */
const PLAIN_ID = /^(?:-?(?:0|[1-9]\d*)|"[ !#-[\]-~]*")$/
const LONGEST_ID = 256

export function createListMemory(): ListMemory {
  const kept: Kept[] = []
  let bytes = 0

  function find(answer: readonly Buffer[]): ListedBefore | undefined {
    const whole = answer.reduce((sum, { length }) => sum + length, 0)
    for (const { before, after, rest } of kept) {
      const end = whole - after.length
      const length = end - before.length
      if (length <= 0 || length > LONGEST_ID || !isAt(answer, 0, before) || !isAt(answer, end, after)) continue
      const id = textAt(answer, before.length, end)
      if (PLAIN_ID.test(id)) return { id, rest }
    }
    return undefined
  }

  return {
    find,
    keep(answer, result) {
      if (answer.length > MOST_BYTES || !isUtf8(answer)) return
      const text = answer.toString('utf8')
      const members = membersAt(text, skipSpace(text, 0))
      const id = members === undefined ? undefined : memberOf(members, 'id')
      if (members === undefined || id === undefined || duplicateOf(members) !== undefined) return
      const start = Buffer.byteLength(text.slice(0, id.start))
      const end = start + Buffer.byteLength(text.slice(id.start, id.end))
      kept.push({
        bytes: answer.length,
        before: answer.subarray(0, start),
        after: answer.subarray(end),
        rest: Buffer.from(`,"result":${result}}\n`),
      })
      bytes += answer.length
      while (bytes > MOST_BYTES) bytes -= kept.shift()?.bytes ?? bytes
    },
    forget() {
      kept.length = 0
      bytes = 0
    },
  }
}

/** Whether `wanted` begins at `at` of what `pieces` are together, which is not shorter. */
function isAt(pieces: readonly Buffer[], at: number, wanted: Buffer): boolean {
  const end = at + wanted.length
  let start = 0
  for (const piece of pieces) {
    const [from, to] = [Math.max(at, start), Math.min(end, start + piece.length)]
    if (from < to && wanted.compare(piece, from - start, to - start, from - at, to - at) !== 0) return false
    start += piece.length
  }
  return true
}

function textAt(pieces: readonly Buffer[], from: number, to: number): string {
  let text = ''
  let start = 0
  for (const piece of pieces) {
    if (from < start + piece.length && to > start)
      text += piece.toString('latin1', Math.max(0, from - start), Math.min(piece.length, to - start))
    start += piece.length
  }
  return text
}
