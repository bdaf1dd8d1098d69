import type { Contract } from '../contract/index.ts'
import { OnefoldError, isOnefoldError, isStoreUnavailable } from '../error/index.ts'
import { cancelled, inProgress, keyReused, rejected } from './answers.ts'
import { beginPart } from './children.ts'
import { assertTaking, type Core } from './core.ts'
import type { Executor } from './execute.ts'
import { majorFits, replayed, startFlight, type Flight, type Settled } from './flight.ts'
import type { DuplicateAnswer } from './duplicates.ts'
import { nameOperation, type CallOptions, type Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import { currentFrame, currentRun, type ActiveRun, type OperationFrame } from './run.ts'
import { indexOfCall, toldOutcome } from './sequence.ts'
import { createNamedSlots } from './slots.ts'
import { askedOf, doubtful, outcomeOf, provisional, type Outcome } from './told.ts'
import { readThrough } from './read-through.ts'

/** How one call is made beside its input. */
export interface PerformOptions extends CallOptions {
  /** Ends this caller's waiting: before the marker nothing is begun, after it the work goes on. */
  readonly signal?: AbortSignal | undefined
  /**
   * What becomes of a call that meets a doubt. `wait` waits without a limit while it recovers by itself, `waitMs` or not;
   * one that a person has to settle is thrown. `return` is for `perform`: a plain call has only its value to return, and
   * throws. @default 'throw'
   */
  readonly onDoubt?: 'throw' | 'wait' | 'return' | undefined
  /** How long to wait for another's execution or for a recovery, in milliseconds. @default the guard's `wait` */
  readonly waitMs?: number | undefined
  /** Binds the call to a run explicitly, where AsyncLocalStorage does not reach. */
  readonly run?: ActiveRun | undefined
  /** Replaces the contract's own `execute` for the first execution (proxies: the caller's message). */
  readonly execute?: Executor | undefined
  /**
   * Which round of questions this call is (T19): a hash of what the caller answered, equal when the same answers are
   * sent again. Undefined for the first round.
   */
  readonly round?: string | undefined
  /** Ticket of an earlier near-duplicate: "I have seen it, both are wanted". */
  readonly confirm?: string | undefined
  /** The key of the operation that this one is the declared undo of. */
  readonly undoes?: string | undefined
}

export interface Performer {
  perform(contract: Contract, input: unknown, options?: PerformOptions): Promise<Outcome>
  /** The operation that a call would be about, without running it. */
  name(contract: Contract, input: unknown, options?: PerformOptions): Operation
}

/** @param opening what a call waits for before it touches the ledger; undefined once that is open */
export function createPerformer(core: Core, opening: () => Promise<void> | undefined): Performer {
  const flights = createNamedSlots<Flight>()

  async function perform(contract: Contract, rawInput: unknown, options: PerformOptions = {}): Promise<Outcome> {
    const run = options.run ?? currentRun()
    const frame = currentFrame()
    const parsed = contract.parse(rawInput)
    const input = parsed instanceof Promise ? await parsed : parsed
    // Read and named before it waits for anything: meanwhile its caller may change its input.
    const open = opening()
    // Where the call is refused before that, whether the ledger opens is nobody's.
    open?.catch(() => undefined)
    if (contract.effect === 'read') {
      await open
      return await readThrough(core, contract, input, options, run)
    }
    assertTaking(core, frame)
    if (options.signal?.aborted === true) throw cancelled(contract.name, '', false)
    const sequence = contract.sequence ? indexOfCall(run, frame, contract, options.callId) : undefined
    let endPart: (() => void) | undefined
    try {
      const op = nameOperation(core.naming, contract, input, options, run, frame, sequence?.index)
      const parent = frame ?? run?.parent
      const ordinal = parent === undefined ? 0 : parent.nextChild++
      for (let up = frame; up !== undefined; up = up.up) {
        if (up.key === op.key) throw recursive(op)
        if (contract.recovery.class === 'transactional' && isInTransaction(up)) throw nested(op, up)
      }
      if (run?.parent?.key === op.key) throw recursive(op)
      if (frame !== undefined) endPart = beginPart(core, frame, op, options.undoes)
      if (open !== undefined) await open
      if (frame?.composite === true) await frame.adopt(op, ordinal)
      touch(run, op)
      const outcome = await tracked(op, performOperation(op, { ...options, run, frame }), run)
      sequence?.told(toldOutcome(outcome))
      return outcome
    } catch (error) {
      sequence?.told(false)
      throw error
    } finally {
      endPart?.()
    }
  }

  /** The run is not settled before its calls have ended. */
  async function tracked(op: Operation, work: Promise<Outcome>, run: ActiveRun | undefined): Promise<Outcome> {
    const pending = run?.pending.add({ key: op.key, work })
    try {
      return await work
    } catch (error) {
      throw isStoreUnavailable(error) ? nothingStarted(op, error) : error
    } finally {
      if (pending !== undefined) void run?.pending.take(pending)
    }
  }

  async function performOperation(
    op: Operation,
    options: PerformOptions & { frame: OperationFrame | undefined },
  ): Promise<Outcome> {
    for (;;) {
      const known = flights.get(op.key)
      if (known === undefined) {
        const kept = recall(op, options.frame)
        if (isReplay(op, kept)) return await quickReplay(op, kept)
        const first = quickRead(op)
        if (first !== undefined && isReplay(op, first.record)) return await quickReplay(op, first.record)
        const flight = startFlight(core, op, first, {
          run: options.run,
          frame: options.frame,
          execute: options.execute ?? ((input, context) => op.contract.execute(input, context)),
          confirm: options.confirm,
          round: options.round,
        })
        flights.set(op.key, flight)
        const forget = (): boolean => flights.delete(op.key)
        flight.result.then((settled) => {
          forget()
          if (settled.kind === 'committed' && settled.recorded) core.remembered.remember(settled.record)
          if (settled.kind === 'committed' || settled.kind === 'none') core.makers.settled(flight.key)
          else if (settled.kind === 'doubt' || settled.kind === 'accepted') core.makers.doubted(flight.key, op.contract)
        }, forget)
        return await ride(flight, op, options, true)
      }
      if (known.abandoned.aborted) {
        // Its callers have left and it gives up: that is no answer for one who still wants it.
        const ended = await wait(known, options, false).catch(() => undefined)
        if (ended === 'aborted') return await abort(known, op, options)
        if (ended === 'late') return await late(op, options, true)
        continue
      }
      if (known.op.descriptor.fingerprint === op.descriptor.fingerprint) {
        if (known.round === options.round) return await ride(known, op, options, false)
        // Another round than the one that is under way: what comes of that one decides.
        await behind(known, known.result, op, options)
        continue
      }
      if (!known.marked) await behind(known, Promise.race([known.bound, known.result]), op, options)
      const reused = known.marked && flights.get(op.key) === known ? keyReused(op, provisional(known)) : undefined
      if (reused !== undefined) {
        tell(core, op, 'refused')
        throw reused
      }
      await behind(known, known.result, op, options)
    }
  }

  /** Waits for a flight that is not this call's, as long as this call may wait for its own. */
  async function behind(known: Flight, until: Promise<unknown>, op: Operation, options: PerformOptions): Promise<void> {
    const ended = await wait({ result: until, idle: known.idle }, options, false).catch(() => undefined)
    if (ended === 'aborted') throw cancelled(op.contract.name, op.key, true)
    if (ended !== 'late') return
    tell(core, op, 'refused')
    throw inProgress(undefined, op, Math.max(core.settings.sweepMs, 1000))
  }

  /** Nothing but the end of its retention takes such an answer back: what can be undone is looked up each time. */
  function recall(op: Operation, frame: OperationFrame | undefined): OperationRecord | undefined {
    if (op.contract.compensate !== undefined || frame?.composite === true) return undefined
    return core.journal.amnesia() === undefined ? core.remembered.recall(op.key) : undefined
  }

  function quickRead(op: Operation): { record: OperationRecord | undefined; now: number } | undefined {
    if (!core.lookFirst.worthwhile()) return undefined
    const reading = core.journal.read(op.key, op.tenant)
    if (reading instanceof Promise) {
      // A flight looks by itself, and tells what it meets; of this look nobody else would hear that it failed.
      reading.catch(() => undefined)
      return undefined
    }
    core.lookFirst.saw(reading)
    return reading
  }

  async function quickReplay(op: Operation, record: OperationRecord): Promise<Outcome> {
    tell(core, op, 'replayed')
    const settled = await replayed(core, record)
    return outcomeOf(settled as Extract<Settled, { kind: 'committed' }>, op, false)
  }

  /** Waits for a flight within the caller's budget and says what it came to for this caller. */
  async function ride(flight: Flight, op: Operation, options: PerformOptions, starter: boolean): Promise<Outcome> {
    flight.callers += 1
    try {
      const settled = await wait(flight, options, starter)
      // What is told, counted and listed is what stands, be it under an older key.
      const standing = flight.key === op.key ? op : { ...op, key: flight.key }
      if (standing !== op) moved(options.run, op, standing)
      if (settled === 'aborted') return await abort(flight, standing, options)
      // Who brought the record about repeats nothing, however long it had to wait for what it is told.
      const repeats = !starter || !flight.acted
      if (settled === 'late') return await late(standing, options, repeats)
      return settledFor(standing, settled, options, starter, repeats)
    } finally {
      flight.callers -= 1
    }
  }

  function settledFor(
    op: Operation,
    settled: Settled,
    options: PerformOptions,
    starter: boolean,
    repeats: boolean,
  ): Outcome {
    switch (settled.kind) {
      case 'committed':
      case 'accepted':
        if (repeats && !(settled.fresh && starter)) tell(core, op, starter ? 'replayed' : 'joined')
        return outcomeOf(settled, op, settled.fresh && !starter)
      case 'asked':
        if (repeats && !(settled.fresh && starter)) tell(core, op, starter ? 'replayed' : 'joined')
        return askedOf(settled, op, settled.fresh && !starter)
      case 'none':
        throw rejected(op.contract.name, op.key, settled.error, settled.retryable)
      case 'refused':
        if (repeats) tell(core, op, 'refused')
        throw settled.error
      case 'doubt':
        if (repeats) tell(core, op, 'in-doubt')
        return doubtful(settled.record, settled.error, options)
      case 'left':
        throw inProgress(settled.record, op, core.settings.sweepMs)
    }
  }

  async function wait<T>(
    flight: Pick<Flight, 'idle'> & { readonly result: Promise<T> },
    options: PerformOptions,
    starter: boolean,
  ): Promise<T | 'late' | 'aborted'> {
    const { signal } = options
    let cancelTimer = (): void => {}
    let onAbort = (): void => {}
    let done = false
    try {
      return await new Promise((resolve, reject) => {
        flight.result.then(resolve, reject)
        if (options.onDoubt !== 'wait') {
          const startTimer = (): void => {
            if (!done) cancelTimer = core.clock.after(options.waitMs ?? core.settings.waitMs, () => resolve('late'))
          }
          if (starter) void flight.idle.then(startTimer)
          else startTimer()
        }
        if (signal === undefined) return
        onAbort = () => resolve('aborted')
        if (signal.aborted) onAbort()
        else signal.addEventListener('abort', onAbort, { once: true })
      })
    } finally {
      done = true
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Abort by phase: before the marker nothing happens; after it the caller leaves and the work goes on. */
  async function abort(flight: Flight, op: Operation, options: PerformOptions): Promise<never> {
    if (!flight.marked && (flight.callers === 1 || flight.abandoned.aborted)) {
      flight.abandoned.aborted = true
      const nothing = await flight.result.then(
        (settled) => settled.kind === 'left' && settled.record?.state === 'claimed',
        (error: unknown) => isOnefoldError(error) && error.code === 'CANCELLED' && error.effect === 'none',
      )
      if (nothing) throw cancelled(op.contract.name, op.key, false)
    }
    // It goes on without this caller, and the run is not settled before it ends.
    const rest = flight.result.then(
      (settled) => {
        if (settled.kind !== 'committed') return
        const compensable = op.contract.compensate !== undefined
        core.emitter.emit('aborted-after-commit', {
          key: op.key,
          tenant: op.tenant,
          tool: op.contract.name,
          run: options.run?.id,
          compensable,
        })
      },
      () => undefined,
    )
    const pending = options.run?.pending
    const slot = pending?.add({ key: op.key, work: rest })
    if (slot !== undefined) void rest.then(() => pending?.take(slot))
    throw cancelled(op.contract.name, op.key, true)
  }

  async function late(op: Operation, options: PerformOptions, repeats: boolean): Promise<Outcome> {
    let record: OperationRecord | undefined
    try {
      record = (await core.journal.read(op.key, op.tenant)).record
    } catch (error) {
      // The flight goes on and may have sent already: an unreachable ledger must not be told as "no effect" here.
      if (!isStoreUnavailable(error)) throw error
    }
    if (record !== undefined && (record.state === 'in-doubt' || record.state === 'recovering')) {
      if (repeats) tell(core, op, 'in-doubt')
      return doubtful(record, undefined, options)
    }
    if (repeats) tell(core, op, 'refused')
    throw inProgress(record, op, Math.max(core.settings.sweepMs, 1000))
  }

  return {
    perform,
    name: (contract, input, options = {}) =>
      nameOperation(core.naming, contract, input, options, options.run ?? currentRun(), currentFrame(), undefined),
  }
}

function isReplay(op: Operation, record: OperationRecord | undefined): record is OperationRecord {
  return (
    record !== undefined &&
    record.state === 'committed' &&
    record.fingerprint === op.descriptor.fingerprint &&
    majorFits(op.contract, record)
  )
}

function tell(core: Core, op: Operation, answer: DuplicateAnswer): void {
  core.duplicates.add(op, answer)
  const run = op.descriptor.run
  if (core.emitter.has('duplicate'))
    core.emitter.emit('duplicate', { key: op.key, tenant: op.tenant, tool: op.contract.name, run, answer })
}

function touch(run: ActiveRun | undefined, op: Operation): void {
  if (run === undefined || run.touched.has(op.key)) return
  const { key, tenant, contract, descriptor } = op
  run.touched.set(key, { key, tenant, tool: contract.name, amount: descriptor.amount })
}

/** The run has called the operation under an older key; under its own there is nothing. */
function moved(run: ActiveRun | undefined, op: Operation, standing: Operation): void {
  run?.touched.delete(op.key)
  touch(run, standing)
}

const recursive = (op: Operation): OnefoldError =>
  new OnefoldError(
    'RECURSIVE_OPERATION',
    `${op.contract.name} was called from inside the very operation it names. Nothing was started for the inner call; give the inner operation another identity.`,
    { effect: 'none', key: op.key },
  )

const isInTransaction = ({ port, ended }: OperationFrame): boolean => port.recovery?.class === 'transactional' && !ended

/** Transactions that wait for others to have their turn wait for ever once all turns are taken by such as these. */
const nested = (op: Operation, up: OperationFrame): OnefoldError =>
  new OnefoldError(
    'CONTRACT_INVALID',
    `${op.contract.name} was called from inside the transaction of ${up.tool}, and would have one of its own: it would stand where ${up.tool} is undone. Nothing was started for the inner call; write both in one tool, or call one after the other.`,
    { effect: 'none', key: op.key },
  )

const nothingStarted = (op: Operation, error: OnefoldError): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `${error.message} No effect of ${op.contract.name} started for this call; it is safe to call again with the same arguments.`,
    { effect: 'none', retryable: true, retryAfterMs: error.retryAfterMs ?? 1000, key: op.key, cause: error },
  )
