import type { Contract } from '../contract/index.ts'
import { closed } from './answers.ts'
import type { FetchMaker, LiveAttempt } from './attempt.ts'
import type { Clock, Ids, Processes } from './clock.ts'
import type { DuplicateNotes } from './duplicates.ts'
import type { Emitter } from './events.ts'
import type { FaultPoint, Faults } from './faults.ts'
import type { Applied, Journal } from './journal.ts'
import type { LookFirst } from './look-first.ts'
import type { Manners } from './keyless.ts'
import type { Makers } from './makers.ts'
import { ticketOf, type Naming } from './operation.ts'
import type { DoubtReason, OperationRecord } from './record.ts'
import type { Remembered } from './remembered.ts'
import type { Questions } from './rounds.ts'
import type { OperationFrame } from './run.ts'
import type { Settings } from './settings.ts'
import type { Slots } from './slots.ts'
import type { Spool } from './spool.ts'

/** What every part of the engine shares. Built once for each guard, by `createGuard`. */
export interface Core {
  readonly journal: Journal
  readonly lookFirst: LookFirst
  readonly remembered: Remembered
  readonly clock: Clock
  readonly ids: Ids
  readonly processes: Processes
  readonly emitter: Emitter
  readonly settings: Settings
  readonly naming: Naming
  readonly spool: Spool | undefined
  readonly makeFetch: FetchMaker | undefined
  readonly faults: Faults | undefined
  readonly duplicates: DuplicateNotes
  readonly questions: Questions
  /** Contracts by name, for recovery. */
  readonly contracts: Map<string, Contract>
  /** Which of them settles what nobody waits for. */
  readonly makers: Makers
  /** Which tools ask for their keys. */
  readonly manners: Manners
  /** Attempts of this process that hold a lease. */
  readonly live: Slots<LiveAttempt>
  /** Attempts of this process that are being claimed, prepared or marked. */
  readonly claiming: Slots<Promise<unknown>>
  /** Background work that `close` waits for. */
  readonly background: Set<Promise<unknown>>
  closing: boolean
  /** True from the moment that a close is asked for: nothing begins any more but what the calls that run make. */
  draining: boolean
}

/** Passes a fault point; costs nothing where no faults are injected. */
export function at(core: Core, point: FaultPoint, key: string): void | Promise<void> {
  return core.faults?.(point, key)
}

type AlarmingRecord = Pick<OperationRecord, 'key' | 'tenant' | 'tool' | 'run'>

/** Tells listeners of something that a person has to see. */
export function alarm(core: Core, { key, tenant, tool, run }: AlarmingRecord, message: string): void {
  core.emitter.emit('alarm', { key, tenant, tool, run, message })
}

/** @throws OnefoldError for a call that comes when the guard is closed, or is being closed and none of its calls made it */
export function assertTaking(core: Core, frame: OperationFrame | undefined): void {
  if (core.closing || (core.draining && frame === undefined)) throw closed()
}

/** Keeps `work` until it ends; what it throws is an alarm, never an unhandled rejection. */
export function inBackground(core: Core, about: AlarmingRecord, work: Promise<unknown>): void {
  const guarded = work.catch((error: unknown) =>
    alarm(core, about, error instanceof Error ? error.message : String(error)),
  )
  core.background.add(guarded)
  void guarded.finally(() => core.background.delete(guarded))
}

/** Tells listeners that an operation became in doubt. */
export function tellDoubt(core: Core, record: OperationRecord): void {
  core.emitter.emit('doubt', {
    key: record.key,
    tenant: record.tenant,
    tool: record.tool,
    run: record.run,
    reason: record.reason as DoubtReason,
    ticket: ticketOf(record.key),
  })
}

/** The same for a step that was to bring an operation into doubt; one that somebody else was ahead of tells nothing. */
export function tellNewDoubt(core: Core, step: Applied): void {
  if (step.applied && step.record?.state === 'in-doubt') tellDoubt(core, step.record)
}
