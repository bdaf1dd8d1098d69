import { encode, at, decode, FIELD, PC, unpack, type World } from './world.ts'
import type { Explored, Move } from './moves.ts'

const PC_NAMES = Object.fromEntries(Object.entries(PC).map(([name, value]) => [value, name]))
const RELATION_NAMES = ['', ' (owner)', ' (older)', ' (same fence, other nonce)', ' (ahead)']

/** A state for people. */
export function describeWorld(it: Explored, world: World): string {
  const record = it.ledger.record(at(world, FIELD.record))
  const ledgerText = record === undefined ? 'absent' : `${record.state} open=${record.openSends}`
  const workers = world.slice(FIELD.workers).map((packed) => {
    const worker = unpack(packed)
    return `${PC_NAMES[worker.pc]}${RELATION_NAMES[worker.relation]}${worker.travelling ? ' →' : ''}`
  })
  const travelling = at(world, FIELD.orphans) + at(world, FIELD.oldOrphans)
  return `${ledgerText} | effects=${at(world, FIELD.effects)} late=${travelling} | ${workers.join(', ')}`
}

/** The shortest way to state `end`, one line a move: what happened, and what is so then. */
export function pathTo(
  it: Explored,
  movesOf: (it: Explored, world: World) => readonly Move[],
  states: readonly string[],
  parents: readonly number[],
  end: number,
  last: string | undefined,
): readonly string[] {
  const chain: number[] = []
  for (let index = end; index >= 0; index = parents[index] as number) chain.unshift(index)
  const lines: string[] = []
  chain.slice(1).forEach((index, step) => {
    const before = decode(states[chain[step] as number] as string)
    const text = states[index] as string
    const move = movesOf(it, before).find((candidate) => encode(candidate.world) === text)
    lines.push(`${move?.label ?? '?'}  ⟶  ${describeWorld(it, decode(text))}`)
  })
  if (last !== undefined) lines.push(last)
  return lines
}
