import { OnefoldError, isOnefoldError, isStoreUnavailable } from '../error/index.ts'
import type { Clock, Ids } from './clock.ts'
import type { Command, Refusal } from './commands.ts'
import type { Transition } from './edges.ts'
import type { Emitter } from './events.ts'
import { decide } from './machine.ts'
import { stamp, type OperationRecord } from './record.ts'
import type { AmnesiaMark, Reading, Store, StoreTransaction, Write, WriteAnswer } from './store.ts'

/** What became of a command. `record` is what stands in the store now. */
export type Applied =
  | {
      readonly applied: true
      readonly transition: Transition
      readonly record: OperationRecord | undefined
      readonly now: number
      readonly alarm: string | undefined
      readonly amnesiaAt: number
    }
  | {
      readonly applied: false
      readonly refusal: Refusal
      readonly record: OperationRecord | undefined
      readonly now: number
    }

export interface Journal {
  readonly store: Store
  /** One linearizable read. @throws OnefoldError STORE_UNAVAILABLE */
  read(key: string, tenant: string): Reading | Promise<Reading>
  /**
   * Decides `command` on `from` (or on what a conflict hands back) and writes it under compare-and-set, until it
   * is applied or refused. A lost acknowledgement is told from a conflict by the write's own random name.
   * @throws OnefoldError STORE_UNAVAILABLE when it is unknown whether the step was applied
   */
  apply(key: string, tenant: string, from: Reading, command: Command): Promise<Applied>
  /**
   * Decides `commands` one after the other on `from` and writes what comes of them as the end of a transaction, which
   * commits. Not applied: everything in it was undone. @throws as {@link StoreTransaction.commit}
   */
  commitIn(
    transaction: StoreTransaction,
    key: string,
    tenant: string,
    from: Reading,
    commands: readonly Command[],
  ): Promise<Applied>
  /** The mark as last seen; refreshed by {@link refreshEpoch} and by every write. */
  amnesia(): AmnesiaMark | undefined
  refreshEpoch(): Promise<void>
  withDeadline<T>(work: Promise<T>): Promise<T>
}

export interface JournalOptions {
  readonly store: Store
  readonly clock: Clock
  readonly ids: Ids
  readonly emitter: Emitter
  readonly storeDeadlineMs: number
  /** Called when a write to `key` was answered. */
  readonly wrote?: (key: string) => void
}

const RETRIES_AFTER_LOST_ACK = 2
/** The sequence of a step that was found by reading again: equal, above or below nothing. */
const NOT_TOLD = Number.NaN

/** The engine's only way to the store: a deadline on every call, compare-and-set loops, lost acknowledgements, the epoch. */
export function createJournal(options: JournalOptions): Journal {
  const { store, clock, ids, emitter } = options
  let highest = 0
  let mark: AmnesiaMark | undefined
  /** A mark of ours that the store has not acknowledged. */
  let unsaved: AmnesiaMark | undefined
  let available = true

  function tellAvailability(now: boolean, message: string): void {
    if (available === now) return
    available = now
    emitter.emit('store', { available: now, message })
  }

  /** `work` within the deadline; what fails in it is told as an error of the ledger. One promise: it is on every path. */
  function guarded<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let late = false
      const fail = (error: OnefoldError): void => {
        if (isStoreUnavailable(error)) tellAvailability(false, error.message)
        reject(error)
      }
      const cancel = clock.after(options.storeDeadlineMs, () => {
        late = true
        fail(unavailable(`The ledger gave no answer within ${options.storeDeadlineMs} ms.`))
      })
      work.then(
        (value) => {
          if (late) return
          cancel()
          tellAvailability(true, 'the ledger answers again')
          resolve(value)
        },
        (error: unknown) => {
          if (late) return
          cancel()
          fail(isOnefoldError(error) ? error : unavailable('The ledger failed.', error))
        },
      )
    })
  }

  function read(key: string, tenant: string): Reading | Promise<Reading> {
    let reading: Reading | Promise<Reading>
    try {
      reading = store.read(key, tenant)
    } catch (error) {
      throw isOnefoldError(error) ? error : unavailable('The ledger could not be read.', error)
    }
    return reading instanceof Promise ? guarded(reading) : reading
  }

  async function readIfAnswered(key: string, tenant: string): Promise<Reading | undefined> {
    try {
      return await read(key, tenant)
    } catch {
      return undefined
    }
  }

  /**
   * A sequence below one that was acknowledged before the step was asked for: this store has forgotten records.
   * (Answers of concurrent steps may arrive in any order, so the newest acknowledged one is no measure.)
   */
  async function markLoss(answer: { readonly sequence: number; readonly now: number }, floor: number): Promise<void> {
    const why = `the store's sequence fell from ${floor} to ${answer.sequence}`
    // Records may be missing from any time on: the last acknowledged moment is not known to a fresh copy.
    mark = { at: answer.now, lossFrom: 0, why }
    emitter.emit('alarm', { key: '', tenant: '', tool: '', run: undefined, message: `amnesia: ${why}` })
    const found = mark
    unsaved = found
    await guarded(store.markAmnesia(found))
    if (unsaved === found) unsaved = undefined
    // Only now: while the mark is not in the store, every look at the sequence must find the loss again.
    highest = answer.sequence
  }

  /** `floor`: a sequence below it means that records were lost. */
  async function refreshEpoch(floor = highest): Promise<void> {
    const before = mark
    const early = unsaved !== undefined
    const epoch = await guarded(store.epoch())
    // An answer that was under way while the mark changed, or while it was being saved, may be from before it.
    if (mark === before && (!early || epoch.amnesia !== undefined)) mark = epoch.amnesia
    if (epoch.sequence >= floor) highest = Math.max(highest, epoch.sequence)
    // The mark's moment is compared with the store's clock, so it is taken from there; a wall clock may be days off.
    else await markLoss({ sequence: epoch.sequence, now: (await guarded(store.due(1))).now }, floor)
  }

  async function apply(key: string, tenant: string, from: Reading, command: Command): Promise<Applied> {
    let { record, now } = from
    if (mark !== undefined && record !== undefined && record.updatedAt <= mark.at) {
      // Read before the loss: its revision may have come again since, under another record.
      const again = await read(key, tenant)
      record = again.record
      now = again.now
    }
    for (;;) {
      const decision = decide(key, record, command, now)
      if (!decision.ok) return { applied: false, refusal: decision.refusal, record, now }
      const writeId = ids.nonce()
      const write = {
        key,
        tenant,
        expect: record?.revision ?? 0,
        // A decision's draft is nobody else's: naming it in place saves a copy on every path.
        draft: decision.draft === undefined ? undefined : Object.assign(decision.draft, { writeId }),
        event: decision.event,
      }
      const first = highest
      const { answer, floor } = await writeSurely(write)
      options.wrote?.(key)
      // A client that repeats its writes by itself makes a success look like a conflict.
      const ours = answer.applied || answer.record?.writeId === writeId
      // A step that was applied has itself counted: at the old number, others were lost since. One that is found to have
      // been applied before may be the newest that is known.
      const least = answer.applied ? floor + 1 : ours ? Math.max(first + 1, floor) : floor
      if (Number.isNaN(answer.sequence)) await refreshEpoch(least)
      else if (answer.sequence < least) await markLoss(answer, least)
      else highest = Math.max(highest, answer.sequence)
      if (ours) {
        if ((answer.amnesiaAt ?? 0) !== (mark?.at ?? 0)) await refreshEpoch()
        announce(answer, write)
        return {
          applied: true,
          transition: decision.transition,
          record: answer.record,
          now: answer.now,
          alarm: decision.alarm,
          // As it stands after this very answer was looked at: a loss that it reveals counts too.
          amnesiaAt: mark?.at ?? 0,
        }
      }
      record = answer.record
      now = answer.now
    }
  }

  async function commitIn(
    transaction: StoreTransaction,
    key: string,
    tenant: string,
    from: Reading,
    commands: readonly Command[],
  ): Promise<Applied> {
    const { now } = from
    let { record } = from
    const writes: Write[] = []
    for (const command of commands) {
      const decision = decide(key, record, command, now)
      if (!decision.ok || decision.draft === undefined) {
        await transaction.rollback()
        return { applied: false, refusal: decision.ok ? 'state' : decision.refusal, record, now }
      }
      const draft = Object.assign(decision.draft, { writeId: ids.nonce() })
      writes.push({ key, tenant, expect: record?.revision ?? 0, draft, event: decision.event })
      record = stamp(draft, record, now, 0)
    }
    const floor = highest
    const answer = await guarded(transaction.commit(writes))
    const least = answer.applied ? floor + 1 : floor
    if (answer.sequence < least) await markLoss(answer, least)
    else highest = Math.max(highest, answer.sequence)
    if (!answer.applied) return { applied: false, refusal: 'fence', record: answer.record, now: answer.now }
    if ((answer.amnesiaAt ?? 0) !== (mark?.at ?? 0)) await refreshEpoch()
    for (const write of writes) announce(answer, write)
    return {
      applied: true,
      transition: (writes.at(-1) as Write).event.transition as Transition,
      record: answer.record,
      now: answer.now,
      alarm: undefined,
      amnesiaAt: mark?.at ?? 0,
    }
  }

  /**
   * The same write under the same name may be repeated: compare-and-set lets it in at most once. `floor` is the highest
   * number that was known when what was answered was asked for, which may be long after the first request was lost.
   */
  async function writeSurely(write: Write): Promise<{ readonly answer: WriteAnswer; readonly floor: number }> {
    for (let attempt = 0; ; attempt += 1) {
      const floor = highest
      try {
        return { answer: await guarded(store.write(write)), floor }
      } catch (error) {
        if (attempt >= RETRIES_AFTER_LOST_ACK || !isStoreUnavailable(error)) throw error
        const reading = await readIfAnswered(write.key, write.tenant)
        if (reading === undefined) continue
        const { record, now } = reading
        // Written to since: by this very write, if it bears its name.
        if ((record?.revision ?? 0) !== write.expect)
          return { answer: { applied: false, record, now, sequence: NOT_TOLD, amnesiaAt: mark?.at ?? 0 }, floor }
      }
    }
  }

  function announce(answer: WriteAnswer, write: Write): void {
    if (write.event.transition === 'heartbeat' || !emitter.has('transition')) return
    emitter.emit('transition', {
      key: write.key,
      tenant: write.tenant,
      tool: write.draft?.tool ?? '',
      run: write.draft?.run,
      event: { ...write.event, fence: answer.record?.fence ?? write.event.fence, at: answer.now },
    })
  }

  return {
    store,
    read,
    apply,
    commitIn,
    amnesia: () => mark,
    refreshEpoch,
    withDeadline: guarded,
  }
}

function unavailable(what: string, cause?: unknown): OnefoldError {
  return new OnefoldError('STORE_UNAVAILABLE', what, { retryable: true, retryAfterMs: 1000, cause })
}
