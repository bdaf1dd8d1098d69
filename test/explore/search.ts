import { decide as production } from '../../src/engine/machine.ts'
import { environmentMoves } from './environment-moves.ts'
import { NO_FAULTS, type Decide, type Faults } from './faults.ts'
import { createLedger, MARKED_AT } from './ledger.ts'
import * as give from './commands.ts'
import { canLand, run, type Explored, type Move } from './moves.ts'
import { deadEnds } from './liveness.ts'
import { networkMoves } from './network-moves.ts'
import { recovererMoves } from './recoverer-moves.ts'
import { pathTo } from './path.ts'
import type { Setup } from './setup.ts'
import { workerMoves } from './worker-moves.ts'
import { at, decode, encode, FIELD, initialWorld, type World } from './world.ts'

export interface SearchOptions {
  readonly decide?: Decide
  readonly faults?: Partial<Faults>
  /** Stop after this many distinct states. @default no limit */
  readonly limit?: number
  /** Problems that another layer masks on purpose, by the first word of their text. */
  readonly ignore?: readonly string[]
}

/** What an exploration found. */
export interface Found {
  readonly setup: Setup
  readonly states: number
  readonly edges: number
  /** False when the limit stopped it. */
  readonly complete: boolean
  readonly ms: number
  readonly records: number
  /** Production transitions that were taken. */
  readonly transitions: readonly string[]
  readonly violation: { readonly what: string; readonly path: readonly string[] } | undefined
  /** States from which no settled state can be reached; only counted when complete. */
  readonly deadEnds: number
}

/** Every move that is possible in `world`. */
export function movesOf(it: Explored, world: World): readonly Move[] {
  const moves: Move[] = []
  const emit = (label: string, next: World, problem?: string): void => {
    moves.push({ label, world: next, problem })
  }
  let idleSeen = false
  for (let i = FIELD.workers; i < world.length; i++) {
    // Idle workers are alike; one of them speaks for all.
    if (at(world, i) === 0) {
      if (idleSeen) continue
      idleSeen = true
    }
    workerMoves(it, world, i, emit)
    recovererMoves(it, world, i, emit)
  }
  networkMoves(it, world, emit)
  environmentMoves(it, world, emit)
  return moves
}

const DONE = ['committed', 'compensating', 'compensated']

/** The invariants that one state alone can break. */
export function problemIn(it: Explored, world: World): string | undefined {
  const effects = at(world, FIELD.effects)
  if (effects > 1) return 'I1 the effect happened twice'
  const record = it.ledger.record(at(world, FIELD.record))
  if (record === undefined) return undefined
  const { state } = record
  if (DONE.includes(state) && effects === 0) return `I2 ${state} without effect`
  if (state !== 'released' && state !== 'rejected') return undefined
  // Under the amnesia mark a record from before it is no more evidence than absence is (I15).
  if (at(world, FIELD.amnesia) === 1 && record.updatedAt <= MARKED_AT) return undefined
  if (effects > 0) return `I3 ${state}, yet it happened`
  if (canLand(world, it.setup)) return `I3 ${state} while a send can still land`
  const claim = run(it, world, 'claim', give.claim(it.setup, false, false, false))
  return claim.ok ? undefined : `I9 ${state}, yet no caller may try again (${claim.refusal})`
}

const SETTLED = ['absent', 'committed', 'rejected', 'released', 'abandoned', 'compensated', 'expired']

/** Classes that must be able to settle without a person. */
const byItself = (setup: Setup): boolean =>
  setup.checked &&
  !setup.amnesia &&
  (setup.probe || setup.recovery === 'composite' || setup.recovery === 'transactional')

/** Breadth-first over everything reachable, then backwards from what is settled. */
export function explore(setup: Setup, options: SearchOptions = {}): Found {
  const startedAt = performance.now()
  const faults = { ...NO_FAULTS, ...options.faults }
  const ledger = createLedger(setup, options.decide ?? production, faults.fenceRestarts)
  const it: Explored = { setup, faults, ledger }
  const limit = options.limit ?? Infinity
  const known = new Map<string, number>()
  const states: string[] = []
  const parents: number[] = []
  const froms: number[] = []
  const tos: number[] = []
  const people: number[] = []
  const add = (world: World, parent: number): number => {
    const text = encode(world)
    const found = known.get(text)
    if (found !== undefined) return found
    known.set(text, states.length)
    parents.push(parent)
    return states.push(text) - 1
  }
  const result = (violation: Found['violation'], deadEnds: number, complete: boolean): Found => ({
    setup,
    states: states.length,
    edges: tos.length,
    complete,
    ms: performance.now() - startedAt,
    records: ledger.size(),
    transitions: ledger.transitions(),
    violation,
    deadEnds,
  })
  const blame = (what: string, index: number, last: string | undefined): Found['violation'] => ({
    what,
    path: pathTo(it, movesOf, states, parents, index, last),
  })
  const counts = (problem: string | undefined): problem is string =>
    problem !== undefined && options.ignore?.includes(problem.split(' ', 1)[0] as string) !== true

  add(initialWorld(setup.workers), -1)
  for (let index = 0; index < states.length; index++) {
    const world = decode(states[index] as string)
    for (const move of movesOf(it, world)) {
      if (counts(move.problem)) return result(blame(move.problem, index, move.label), 0, false)
      const before = states.length
      const to = add(move.world, index)
      froms.push(index)
      people.push(move.label.startsWith('a person') ? 1 : 0)
      tos.push(to)
      if (to === before) {
        const problem = problemIn(it, move.world)
        if (counts(problem)) return result(blame(problem, to, undefined), 0, false)
      }
    }
    if (states.length >= limit) return result(undefined, 0, false)
  }
  const graph = { states: states.length, froms, tos }
  const stateOf = (index: number): string =>
    ledger.record(at(decode(states[index] as string), FIELD.record))?.state ?? 'absent'
  const stuck = deadEnds(graph, (index) => SETTLED.includes(stateOf(index)))
  if (stuck.length > 0) {
    return result(
      blame('L1 a dead end: nothing settles it any more', stuck[0] as number, undefined),
      stuck.length,
      true,
    )
  }
  if (byItself(setup)) {
    // Also where people never answer: abandoned is theirs alone, so it is no goal here.
    const alone = deadEnds(
      graph,
      (index) => SETTLED.includes(stateOf(index)),
      (edge) => people[edge] !== 1,
    )
    if (alone.length > 0)
      return result(blame('L2 a dead end without a person', alone[0] as number, undefined), alone.length, true)
  }
  return result(undefined, 0, true)
}
