import type { Command } from '../../src/engine/commands.ts'
import type { Faults } from './faults.ts'
import { NOW, type Ledger, type Step } from './ledger.ts'
import type { Setup } from './setup.ts'
import { at, FIELD, pack, PC, RELATION, STORED, unpack, WINDOW, type Worker, type World } from './world.ts'

/** One edge of the state graph. */
export interface Move {
  readonly label: string
  readonly world: World
  /** An invariant that this very step breaks. */
  readonly problem: string | undefined
}

/** What successor functions are given. */
export interface Explored {
  readonly setup: Setup
  readonly faults: Faults
  readonly ledger: Ledger
}

/** A copy of `world` to change. */
export type Draft = number[]

/** `world` with one worker replaced. */
export function withWorker(world: World, index: number, change: Partial<Worker>): Draft {
  const next = [...world]
  setWorker(next, index, change)
  return next
}

export function setWorker(next: Draft, index: number, change: Partial<Worker>): void {
  const worker = { ...unpack(next[index] as number), ...change }
  next[index] = worker.pc === PC.idle && !worker.travelling ? 0 : pack(worker)
}

export const isOpen = (worker: Worker, setup: Setup): boolean => worker.guard || !setup.checked

/** True when a worker that stands between marker and first byte may still send. */
export const maySend = (worker: Worker, setup: Setup): boolean =>
  (worker.pc === PC.marked || worker.pc === PC.adopted) && isOpen(worker, setup)

/** True while any request or accepted job may still change the downstream. */
export function anythingTravels(world: World): boolean {
  if (at(world, FIELD.orphans) > 0 || at(world, FIELD.oldOrphans) > 0 || at(world, FIELD.job) > 0) return true
  for (let i = FIELD.workers; i < world.length; i++) if (unpack(at(world, i)).travelling) return true
  return false
}

/** True when some send, or some worker about to send, may still have an effect. `except` is the asking worker. */
export function canLand(world: World, setup: Setup, except = -1): boolean {
  if (anythingTravels(world)) return true
  for (let i = FIELD.workers; i < world.length; i++) {
    if (i !== except && maySend(unpack(at(world, i)), setup)) return true
  }
  return false
}

/** Everything sent so far goes out under a key that is no longer current. */
function ageKey(next: Draft): void {
  for (let i = FIELD.workers; i < next.length; i++) {
    const worker = unpack(next[i] as number)
    if (worker.pc !== PC.idle || worker.travelling) next[i] = pack({ ...worker, old: true })
  }
  if ((next[FIELD.spool] as number) !== 0)
    next[FIELD.spool] = pack({ ...unpack(next[FIELD.spool] as number), old: true })
  next[FIELD.oldOrphans] = Math.min(2, (next[FIELD.oldOrphans] as number) + (next[FIELD.orphans] as number))
  next[FIELD.orphans] = 0
  next[FIELD.stored] = STORED.nothing
  next[FIELD.begun] = 0
  next[FIELD.window] = WINDOW.open
}

/** Puts a step's record in place: relations of all other attempts, downstream key, replica. */
export function applied(it: Explored, world: World, step: Step, fromBackup = false): Draft {
  const next = [...world]
  const keepsOld = it.faults.blindWrites || it.faults.staleReads
  for (let i = FIELD.spool; i < next.length; i += i === FIELD.spool ? FIELD.workers - FIELD.spool : 1) {
    const packed = next[i] as number
    if (packed === 0) continue
    const worker = unpack(packed)
    const relation = step.relations[fromBackup ? worker.backup : worker.relation] as number
    const backup = keepsOld ? worker.relation : worker.backup
    if (relation !== worker.relation || backup !== worker.backup) next[i] = pack({ ...worker, relation, backup })
  }
  if (keepsOld) next[FIELD.backup] = at(world, FIELD.record)
  next[FIELD.record] = step.to
  // T0 sends nothing, so what still travels stays under the key that the downstream knows.
  const acts = step.inserted && step.transition !== 'T0'
  if (step.newKey || (acts && at(world, FIELD.generation) === 1)) ageKey(next)
  if (step.newKey) next[FIELD.generation] = 1
  else if (acts) next[FIELD.generation] = 0
  if (
    it.ledger.record(step.to)?.firstSendAt === NOW &&
    it.ledger.record(at(world, FIELD.record))?.firstSendAt !== NOW
  ) {
    next[FIELD.window] = WINDOW.open
  }
  return next
}

/** The attempt that a step just created belongs to worker `index`. */
export function owned(it: Explored, next: Draft, index: number, change: Partial<Worker>): void {
  const backup = at(next, FIELD.backup) === 0 ? RELATION.none : RELATION.ahead
  if (!it.setup.checked && change.owner === true) {
    for (let i = FIELD.workers; i < next.length; i++)
      if (i !== index && next[i] !== 0) setWorker(next, i, { owner: false })
  }
  setWorker(next, index, {
    relation: RELATION.own,
    backup,
    old: false,
    travelling: false,
    guard: false,
    ...change,
    owner: !it.setup.checked && (change.owner ?? unpack(next[index] as number).owner),
  })
}

/** A question stands no longer than the downstream surely knows the key. */
export const questionStands = ({ setup, faults }: Explored, world: World): boolean =>
  setup.recovery !== 'keyed' || faults.questionOutlivesKey || at(world, FIELD.window) === WINDOW.open

/** Runs one command of one attempt on the current record. */
export const run = (it: Explored, world: World, name: string, build: () => Command): Step =>
  it.ledger.step(at(world, FIELD.record), name, build)

/** Moves of one kind, collected. */
export type Emit = (label: string, world: World, problem?: string) => void
