import type { Contract } from '../contract/index.ts'
import { isOnefoldError, type OnefoldError } from '../error/index.ts'
import { awaitsAnswer, closedAnswer, keyReused, superseded } from './answers.ts'
import { claimAndExecute, mayClaim } from './claim.ts'
import { sleep } from './clock.ts'
import { tellNewDoubt, type Core } from './core.ts'
import type { Ended, Executor } from './execute.ts'
import { holdTurn } from './exclusive.ts'
import { holdNear } from './near.ts'
import { heirOf, standing, takeOver, type Standing } from './older.ts'
import type { Operation } from './operation.ts'
import { unseal, type Unsealed } from './outcome.ts'
import { backoffMs, recoverOnce, recoversByItself } from './recover.ts'
import { wasSent, type OperationRecord, type StoredOutcome } from './record.ts'
import { resumeAndExecute } from './rounds.ts'
import type { ActiveRun, OperationFrame } from './run.ts'
import type { Reading } from './store.ts'
import { isUnreadable } from './unreadable.ts'
import { waitForChange } from './wait.ts'

/** How an operation stands when a flight ends. */
export type Settled =
  | {
      readonly kind: 'committed' | 'accepted'
      readonly record: OperationRecord
      readonly value: unknown
      /** True when this flight executed it; false for a replay. */
      readonly fresh: boolean
      readonly recorded: boolean
      /** Why the value is missing, when the result was not kept. */
      readonly missing?: string
    }
  /** The downstream asks its caller something: the next round of the operation answers it. */
  | { readonly kind: 'asked'; readonly record: OperationRecord; readonly value: unknown; readonly fresh: boolean }
  | { readonly kind: 'none'; readonly error: unknown; readonly retryable: boolean }
  | { readonly kind: 'doubt'; readonly record: OperationRecord; readonly error: unknown }
  | { readonly kind: 'refused'; readonly error: OnefoldError; readonly record: OperationRecord }
  /** Nobody waits any more and somebody else runs it. */
  | { readonly kind: 'left'; readonly record: OperationRecord | undefined }

/** All callers of one operation in this process: one of them runs or waits, the others share what comes of it. */
export interface Flight {
  readonly op: Operation
  /** The key under which the operation stands: an older one, where that is what decides. */
  key: string
  /** Which round of the operation it is for; undefined for the first. */
  readonly round: string | undefined
  /** Callers that still wait. */
  callers: number
  /** True from the marker on: other field values are KEY_REUSED. */
  marked: boolean
  /** True when an attempt of its own may have acted: whatever its first caller is told then, that call repeats nothing. */
  acted: boolean
  /** Resolves when the marker stands, if one ever does; at the end {@link result} tells. */
  readonly bound: Promise<void>
  /** Resolves when no attempt of this flight is executing but it goes on: from then on the wait budget counts. */
  readonly idle: Promise<void>
  readonly result: Promise<Settled>
  /** Set when every caller has gone before the marker. */
  readonly abandoned: Abandoned
}

/** Looked at, never listened to: between its checks nothing waits that an abort could shorten. */
export interface Abandoned {
  aborted: boolean
}

export interface FlightOptions {
  readonly run: ActiveRun | undefined
  readonly frame: OperationFrame | undefined
  readonly execute: Executor
  /** Which round of the operation this is, by the hash of what its caller answered; undefined for the first. */
  readonly round: string | undefined
  /** Ticket of an earlier near-duplicate that the caller has seen and still wants this call beside. */
  readonly confirm: string | undefined
}

export function startFlight(core: Core, op: Operation, first: Reading | undefined, options: FlightOptions): Flight {
  let bind = (): void => {}
  let rest = (): void => {}
  const flight: Flight = {
    op,
    key: op.key,
    round: options.round,
    callers: 0,
    marked: false,
    acted: false,
    bound: new Promise((resolve) => (bind = resolve)),
    idle: new Promise((resolve) => (rest = resolve)),
    result: Promise.resolve().then(() =>
      drive(
        {
          core,
          flight,
          options,
          marked: () => {
            flight.marked = true
            core.makers.began(flight.key, op.contract)
            bind()
          },
          idle: rest,
        },
        first,
      ),
    ),
    abandoned: { aborted: false },
  }
  return flight
}

/** What every step of a flight works with. */
interface FlightWork {
  readonly core: Core
  readonly flight: Flight
  readonly options: FlightOptions
  /** The marker stands. */
  readonly marked: () => void
  /** No attempt is executing. */
  readonly idle: () => void
}

const UNHURRIED_STEPS = 8
const LONGEST_PAUSE_MS = 100

/** How long a caller of a doubt whose next recovery is far off may not see that it was settled elsewhere. */
const LONGEST_BLIND_MS = 1_000

async function drive(work: FlightWork, first: Reading | undefined): Promise<Settled> {
  const { core, flight } = work
  const { op } = flight
  const mustRead = core.lookFirst.worthwhile() || core.journal.amnesia() !== undefined
  let reading = first ?? (mustRead ? await core.journal.read(op.key, op.tenant) : { record: undefined, now: 0 })
  let own: Acted | undefined
  for (let taken = 0; ; taken += 1) {
    try {
      // Every step changes something or waits for a change; should one day none do, this must not spin.
      if (taken >= UNHURRIED_STEPS) await sleep(core.clock, Math.min(taken, LONGEST_PAUSE_MS))
      // No open record is ever deleted: that there is none says nothing about what an attempt of ours may have done.
      if (own !== undefined && reading.record === undefined)
        return { kind: 'doubt', record: own.record, error: own.error }
      // What came to nothing, here or elsewhere, runs for a caller who still wants it, never for nobody.
      if (flight.callers === 0 && mayClaim(reading)) return { kind: 'left', record: reading.record }
      const step = await (mayClaim(reading)
        ? claimInTurn(work, op, reading, own?.error)
        : followOwn(work, reading, own?.error))
      if ('settled' in step) return step.settled
      if ('own' in step) own = step.own
      // From here on the wait budget counts, whatever the next step is about.
      work.idle()
      reading = step.reading ?? (await core.journal.read(op.key, op.tenant))
      core.lookFirst.saw(reading)
    } catch (error) {
      // Once an attempt of ours may have acted, what goes wrong after it is told as that doubt, never as "no effect".
      if (own === undefined || !(isOnefoldError(error) && error.effect === 'none')) throw error
      return { kind: 'doubt', record: own.record, error: own.error }
    }
  }
}

/** True while somebody waits for the flight. */
const wanted = (flight: Flight): boolean => flight.callers > 0 && !flight.abandoned.aborted

/** One step of a flight: an end, or what to look at next (undefined: read again). */
type Step =
  | { readonly settled: Settled }
  | { readonly reading: Reading | undefined }
  | { readonly own: Acted; readonly reading: undefined }

/** What an attempt of this flight may have done, by its record and its error. */
type Acted = Pick<Extract<Ended, { kind: 'doubt' }>, 'record' | 'error'>

/** One step with a record under the operation's own key: where that was taken over, with what stands under an older one. */
async function followOwn(work: FlightWork, reading: Reading, cause: unknown): Promise<Step> {
  const { core, flight } = work
  const { op } = flight
  const { record, now } = reading
  if (record?.state === 'superseded' && op.older.length > 0) {
    const found = await standing(core, op)
    if (found.op !== op && !mayClaim(found.reading)) return await followOlder(work, found, cause)
    const heir = await heirOf(core, op, { record, now })
    if (heir === undefined) return { reading: undefined }
    if (heir !== 'none') {
      // Begun there since it was looked at.
      if (!mayClaim(heir.reading)) return await followOlder(work, heir, cause)
      if (flight.callers === 0) return { settled: { kind: 'left', record } }
      return fromOwnKey(await claimInTurn(work, heir.op, heir.reading, cause))
    }
  }
  flight.key = op.key
  return await followKnown(work, op, reading, cause)
}

async function followOlder(work: FlightWork, { op, reading }: Standing, cause: unknown): Promise<Step> {
  work.flight.key = op.key
  return fromOwnKey(await followKnown(work, op, reading, cause))
}

/** Where nothing is settled under an older name, the operation is looked at again from its own key on. */
const fromOwnKey = (step: Step): Step => ('reading' in step ? { ...step, reading: undefined } : step)

/** One step with a record that somebody has, under the key of `op`: answer, wait, lapse or recover. */
async function followKnown(work: FlightWork, op: Operation, reading: Reading, cause: unknown): Promise<Step> {
  const { core, flight, options } = work
  const known = reading.record as OperationRecord
  const answer = await answerFrom(core, op, known)
  if (answer !== undefined) return { settled: answer }
  if (known.state !== 'claimed') work.marked()
  const isLive = reading.now < known.leaseUntil
  const resumes = known.state === 'awaiting-input' && isLive && !wasSent(known, options.round)
  // A round that goes out is an execution of this flight's own.
  if (!resumes) work.idle()
  if (known.state === 'in-doubt') {
    if (!wanted(flight) || !recoversByItself(known, op.contract, core.manners.asks(op.contract.name)))
      return { settled: { kind: 'doubt', record: known, error: cause } }
    const settled = await recoverInFlight(core, op, known, reading.now)
    return settled === undefined ? { reading: undefined } : { settled }
  }
  if (!isLive) return { reading: await lapse(core, op.key, op.tenant, reading) }
  if (resumes)
    return await inTurn(core, flight, op, options.frame, (signal) =>
      resumeAndExecute(core, op, { ...reading, record: known }, { ...options, signal }),
    )
  if (known.state === 'awaiting-input') return { settled: askedBefore(core, op, known, options.round) }
  if (!wanted(flight)) return { settled: { kind: 'left', record: known } }
  return { reading: await waitForChange(core, op.key, op.tenant, reading, () => wanted(flight)) }
}

/** T8 and T14 for a record whose lease is over. */
export async function lapse(core: Core, key: string, tenant: string, from: Reading): Promise<Reading> {
  const lapsed = await core.journal.apply(key, tenant, from, { type: 'lapse', who: core.processes.self })
  tellNewDoubt(core, lapsed)
  return lapsed
}

async function claimInTurn(work: FlightWork, op: Operation, reading: Reading, cause: unknown): Promise<Step> {
  const { core, flight, options } = work
  // Nearly no tool has older names: none of them costs a call nothing.
  const older = op.older.length === 0 ? undefined : await takeOver(core, op)
  if (older !== undefined) return await followOlder(work, older, cause)
  flight.key = op.key
  const { near } = op.contract
  if (near !== undefined) await holdNear(core, op, near, options.confirm)
  return await inTurn(core, flight, op, options.frame, (signal) =>
    claimAndExecute(core, op, reading, { ...options, signal, onMarked: work.marked }),
  )
}

/** One attempt, or one round of it, while it has its turn among operations that exclude each other. */
async function inTurn(
  core: Core,
  flight: Flight,
  op: Operation,
  frame: OperationFrame | undefined,
  attempt: (signal: Abandoned) => Promise<Ended>,
): Promise<Step> {
  const { exclusive } = op.contract
  const endTurn = exclusive === undefined ? undefined : await holdTurn(core, op, exclusive, () => wanted(flight), frame)
  try {
    const ended = await attempt(flight.abandoned)
    if (ended.kind === 'doubt' || (ended.kind === 'overtaken' && ended.acted !== undefined)) flight.acted = true
    if (ended.kind === 'asked') core.questions.ask(ended.record, flight.round, ended.value)
    const settled = settledBy(ended)
    if (settled !== undefined) return { settled }
    if (ended.kind === 'refused-round') {
      const { record } = ended
      return { settled: { kind: 'refused', error: awaitsAnswer(record, op, ended.error), record } }
    }
    if (ended.kind === 'doubt') return ended.unheard === true ? { settled: ended } : { own: ended, reading: undefined }
    const { acted, found } = ended as Extract<Ended, { kind: 'overtaken' }>
    if (acted === undefined) return { reading: found }
    // Somebody else has the record, but what this attempt sent is not undone by that.
    const record: OperationRecord = { ...acted, state: 'in-doubt' }
    return { own: { record, error: undefined }, reading: undefined }
  } finally {
    if (endTurn !== undefined) await endTurn().catch(() => undefined)
  }
}

function settledBy(ended: Ended): Settled | undefined {
  switch (ended.kind) {
    case 'committed':
      return { kind: 'committed', record: ended.record, value: ended.value, fresh: true, recorded: ended.recorded }
    case 'accepted':
      return { kind: 'accepted', record: ended.record, value: ended.value, fresh: true, recorded: true }
    case 'asked':
      return { kind: 'asked', record: ended.record, value: ended.value, fresh: true }
    case 'none':
      return { kind: 'none', error: ended.error, retryable: ended.retryable }
    default:
      return undefined
  }
}

/** A round that was sent before: its question again, where this process still knows it; the ledger never does. */
function askedBefore(core: Core, op: Operation, record: OperationRecord, round: string | undefined): Settled {
  const value = core.questions.of(record, round)
  return value === undefined
    ? { kind: 'refused', error: awaitsAnswer(record, op), record }
    : { kind: 'asked', record, value, fresh: false }
}

/** What a record that is already there answers by itself; undefined while it is neither finished nor refused. */
async function answerFrom(core: Core, op: Operation, record: OperationRecord): Promise<Settled | undefined> {
  const refused = (error: OnefoldError): Settled => ({ kind: 'refused', error, record })
  const closed = closedAnswer(record)
  if (closed !== undefined) return refused(closed)
  if (!majorFits(op.contract, record)) return refused(superseded(op, record))
  const reused = record.state === 'claimed' ? undefined : keyReused(op, record)
  if (reused !== undefined) return refused(reused)
  if (record.state !== 'committed' && record.state !== 'accepted') return undefined
  return await replayed(core, record)
}

export const majorFits = (contract: Contract, record: OperationRecord): boolean =>
  record.major === contract.major || (record.state === 'committed' && contract.replaysFrom.includes(record.major))

/** The recorded outcome of a finished operation, as it was. */
export async function replayed(core: Core, record: OperationRecord): Promise<Settled> {
  const kind = record.state === 'accepted' ? 'accepted' : 'committed'
  const base = { kind, record, fresh: false, recorded: true } as const
  if (record.outcome === undefined)
    return { ...base, value: undefined, missing: 'a person confirmed it without a result' }
  const opened = await openedOf(core, record.outcome, record)
  return opened.found ? { ...base, value: opened.value } : { ...base, value: undefined, missing: opened.why }
}

async function openedOf(core: Core, outcome: StoredOutcome, record: OperationRecord): Promise<Unsealed> {
  try {
    return await unseal(outcome, record, core.journal)
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return { found: false, why: 'a newer version of onefold has stored it in a form that this one does not know' }
  }
}

/** One recovery on behalf of callers who wait for it. Undefined: look at the record again. */
async function recoverInFlight(
  core: Core,
  op: Operation,
  record: OperationRecord,
  now: number,
): Promise<Settled | undefined> {
  const waitMs = record.updatedAt + backoffMs(core, record) - now
  if (waitMs > 0) {
    // Looks again in between: a person, or another process, may settle it meanwhile, and its callers may leave.
    await sleep(core.clock, Math.min(waitMs, LONGEST_BLIND_MS))
    return undefined
  }
  const ended = await recoverOnce(core, op.contract, record, now)
  return ended === undefined ? undefined : settledBy(ended)
}
