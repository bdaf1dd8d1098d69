import type { Contract, ToolContext } from '../contract/index.ts'
import { isStoreUnavailable } from '../error/index.ts'
import { closed } from './answers.ts'
import { contextOf, maySend, portOf, type LiveAttempt, type SendPort } from './attempt.ts'
import { adoptChild, verdictOn } from './children.ts'
import type { Send } from './classify.ts'
import { alarm, at, inBackground, tellNewDoubt, type Core } from './core.ts'
import type { DoubtReason, OperationRecord, StoredOutcome } from './record.ts'
import type { Applied } from './journal.ts'
import type { Reading } from './store.ts'
import { tellKeyless } from './keyless.ts'
import { seal } from './outcome.ts'
import { Question } from './question.ts'
import { withFrame, type ActiveRun, type OperationFrame } from './run.ts'
import { recordSuccess } from './success.ts'

/** How an attempt ended, as far as this process can tell. */
export type Ended =
  | {
      readonly kind: 'committed'
      readonly record: OperationRecord
      readonly value: unknown
      readonly recorded: boolean
      readonly thrown?: unknown
    }
  | { readonly kind: 'accepted'; readonly record: OperationRecord; readonly value: unknown }
  /** T19: the downstream asks its caller something; `value` is the question. */
  | { readonly kind: 'asked'; readonly record: OperationRecord; readonly value: unknown }
  /** T19: this round was refused, or not sent; the question before it stands. */
  | { readonly kind: 'refused-round'; readonly record: OperationRecord; readonly error: unknown }
  /** Nothing happened: `error` is what the tool threw; `retryable` when nothing was even sent. */
  | {
      readonly kind: 'none'
      readonly record: OperationRecord | undefined
      readonly error: unknown
      readonly retryable: boolean
    }
  | {
      readonly kind: 'doubt'
      readonly record: OperationRecord
      readonly error: unknown
      /** The ledger has not heard of it yet, and what stands there says less: nothing may be decided by that. */
      readonly unheard?: true
    }
  /** The record moved on without us (a duplicate recovery, a person): read it again. */
  | {
      readonly kind: 'overtaken'
      readonly record?: OperationRecord | undefined
      /** What is there, where the store has just told it. */
      readonly found?: Reading | undefined
      /** The attempt's own record, where it may have acted before it was overtaken. */
      readonly acted?: OperationRecord
    }

export type Executor = (input: unknown, context: ToolContext) => unknown

export interface ExecuteOptions {
  readonly run: ActiveRun | undefined
  readonly frame: OperationFrame | undefined
  readonly execute: Executor
  /** Which round this is, by the hash of what its caller answered; undefined for the first. */
  readonly round?: string | undefined
}

/**
 * Runs `execute` for an attempt whose marker is durable, and records how it ended. The deadline ends the waiting,
 * never the work: what still comes later is recorded by the rules of T9 and T15.
 */
export async function executeMarked(core: Core, attempt: LiveAttempt, options: ExecuteOptions): Promise<Ended> {
  const { op } = attempt
  await at(core, 'marked', op.key)
  if (core.closing || !maySend(attempt, core.clock))
    return await close(core, attempt, { type: 'unsent', error: overBeforeBegun(core) })
  const port = portOf(attempt, core.clock, options.run)
  const context = contextOf(attempt, core.clock, options.run, core.makeFetch, port)
  attempt.started = true
  const work = entered(core, attempt, options, port, context)
  const result = await withinDeadline(core, op.contract, work)
  if (result.kind === 'timeout') {
    attempt.closed = true
    attempt.controller.abort(new DOMException('the attempt’s deadline passed', 'TimeoutError'))
    inBackground(core, attempt.record, afterDeadline(core, attempt, work))
    return await doubt(
      core,
      attempt,
      'timeout',
      `no answer within ${op.contract.timeoutMs} ms`,
      timeoutError(op.contract.timeoutMs),
      false,
    )
  }
  attempt.closed = true
  await at(core, 'answered', op.key)
  if (result.kind === 'error') return await failed(core, attempt, result.error)
  return result.value instanceof Question
    ? await asked(core, attempt, result.value, options.round)
    : await succeeded(core, attempt, result.value)
}

/** Runs the tool in a frame of its own; what it leaves running there when it has ended is no longer the operation's. */
export async function entered(
  core: Core,
  attempt: LiveAttempt,
  options: ExecuteOptions,
  port: SendPort,
  context: ToolContext,
): Promise<unknown> {
  const { op } = attempt
  const frame: OperationFrame = {
    key: op.key,
    tenant: op.tenant,
    naming: core.naming,
    tool: op.contract.name,
    fence: () => attempt.record.fence,
    nonce: () => attempt.nonce,
    composite: op.contract.recovery.class === 'composite',
    up: options.frame,
    nextChild: 0,
    parts: new Map(),
    adopt: (child, ordinal) => adoptChild(core, frame, child, ordinal),
    sequences: undefined,
    port,
    ended: false,
  }
  attempt.frame = frame
  try {
    return await withFrame(options.run, frame, () => options.execute(op.input, context))
  } finally {
    frame.ended = true
  }
}

type Raced<T> = { kind: 'value'; value: T } | { kind: 'error'; error: unknown } | { kind: 'timeout' }

/**
 * What became of the work of a tool within its time-out.
 * @param background true where nobody waits for it: see {@link Clock.after}
 */
export function withinDeadline<T>(
  core: Core,
  { timeoutMs }: Pick<Contract, 'timeoutMs'>,
  work: Promise<T>,
  background = false,
): Promise<Raced<T>> {
  return new Promise((resolve) => {
    const cancel = core.clock.after(timeoutMs, () => resolve({ kind: 'timeout' }), background)
    work.then(
      (value) => {
        cancel()
        resolve({ kind: 'value', value })
      },
      (error: unknown) => {
        cancel()
        resolve({ kind: 'error', error })
      },
    )
  })
}

/** The answer that came after its deadline: success settles the doubt, a refusal may, anything else changes nothing. */
async function afterDeadline(core: Core, attempt: LiveAttempt, work: Promise<unknown>): Promise<void> {
  let value: unknown
  let kind: StoredOutcome['kind'] = 'value'
  try {
    value = await work
    // A late "accepted" is no success, and a late question none either: its doubt is settled like any other.
    if (attempt.op.contract.verify !== undefined || value instanceof Question) return
  } catch (error) {
    const verdict = await verdictOn(attempt, error)
    if (verdict.kind === 'doubt') return
    if (verdict.kind !== 'done') {
      await closeWith(
        core,
        attempt,
        verdict.kind === 'unsent' ? { type: 'unsent' } : { type: 'reject', error: verdict.error },
      )
      return
    }
    kind = 'error'
    value = error
  }
  await recordSuccess(core, attempt, await sealed(core, attempt, kind, value))
}

async function succeeded(core: Core, attempt: LiveAttempt, value: unknown): Promise<Ended> {
  tellOfFailures(core, attempt)
  tellKeyless(core, attempt)
  const outcome = await sealed(core, attempt, 'value', value)
  if (outcome.omitted === true) alarm(core, attempt.record, UNKEPT)
  await at(core, 'before-commit', attempt.op.key)
  if (attempt.op.contract.verify !== undefined) return await accepted(core, attempt, outcome, value)
  return await committed(core, attempt, outcome, value)
}

const UNKEPT =
  'it was done, but what it returned could not be stored: repeats are told RESULT_EXPIRED instead of it. Let the tool return plain data, of a Response what was read from it.'

/** A value is "done" (T5), and replayed as such. Where no write was answered by a success, the tool did not look. */
function tellOfFailures(core: Core, { sends, record }: LiveAttempt): void {
  const writes = sends.filter(({ isRead }) => isRead !== true)
  const last = writes.at(-1)
  if (last === undefined || !writes.every(hasFailed)) return
  // Whoever reads after a lost answer has looked.
  if (last.state !== 'answered' && last !== sends.at(-1)) return
  alarm(
    core,
    record,
    `it returned a value, which is recorded as done and replayed, though ${FAILURES[last.state](last)}. Let the tool wait for its answer, and throw where that is no success.`,
  )
}

const hasFailed = ({ state, status = 0, isUnseen }: Send): boolean =>
  isUnseen !== true && (state !== 'answered' || status >= 400)

const FAILURES: Readonly<Record<Send['state'], (send: Send) => string>> = {
  answered: ({ status }) => `the service answered ${status}`,
  sent: () => 'its request was not answered',
  unsent: () => 'its request was never sent',
}

/** T20: the downstream said yes to doing it; only `verify` makes that "done". */
async function accepted(core: Core, attempt: LiveAttempt, outcome: StoredOutcome, value: unknown): Promise<Ended> {
  try {
    const result = await core.journal.apply(attempt.op.key, attempt.op.tenant, attempt, {
      type: 'accept',
      fence: attempt.record.fence,
      nonce: attempt.nonce,
      who: core.processes.self,
      outcome,
      leaseMs: 0,
    })
    if (result.applied && result.record !== undefined) return { kind: 'accepted', record: result.record, value }
    return { kind: 'overtaken', record: result.record }
  } catch (error) {
    return unrecordedDoubt(attempt, error)
  }
}

/**
 * How long a question may stand. An earlier round may have acted before it asked, so no later one may go out under a key
 * that the downstream could have forgotten.
 */
function questionMsOf(core: Core, attempt: LiveAttempt): number {
  const { questionMs, windowMarginMs } = core.settings
  const { recovery } = attempt.op.contract
  if (recovery.class !== 'keyed') return questionMs
  const windowOverAt = Math.min(attempt.windowOverAt, attempt.begunAt + recovery.windowMs - windowMarginMs)
  return Math.max(0, Math.min(questionMs, windowOverAt - core.clock.bootMs()))
}

/** T19: what the downstream asked is for the caller alone; the ledger knows that it asked. */
async function asked(core: Core, attempt: LiveAttempt, question: Question, round: string | undefined): Promise<Ended> {
  const result = await core.journal
    .apply(attempt.op.key, attempt.op.tenant, attempt, {
      type: 'ask',
      fence: attempt.record.fence,
      nonce: attempt.nonce,
      who: core.processes.self,
      leaseMs: questionMsOf(core, attempt),
      ended: attempt.othersEnded,
      ...(round === undefined ? {} : { round }),
    })
    .catch(onlyUnavailable)
  // Without the record no later round could join: the lapsed lease will tell the ledger.
  if (result === undefined) return unrecordedDoubt(attempt, new Error('its question could not be recorded'))
  // In doubt where an earlier send is open: whoever recovers it reads that.
  tellNewDoubt(core, result)
  const { record } = result
  if (result.applied && record?.state === 'awaiting-input') return { kind: 'asked', record, value: question.value }
  return { kind: 'overtaken', record }
}

async function failed(core: Core, attempt: LiveAttempt, error: unknown): Promise<Ended> {
  const verdict = await verdictOn(attempt, error)
  switch (verdict.kind) {
    case 'done':
      return {
        ...(await committed(core, attempt, await sealed(core, attempt, 'error', error), error)),
        thrown: error,
      } as Ended
    case 'rejected':
      return await close(core, attempt, { type: 'reject', error, stored: verdict.error })
    case 'unsent':
      return await close(core, attempt, { type: 'unsent', error })
    case 'doubt':
      return await doubt(core, attempt, verdict.reason, verdict.evidence, error, true)
  }
}

const sealed = (
  core: Core,
  { op }: LiveAttempt,
  kind: StoredOutcome['kind'],
  value: unknown,
): StoredOutcome | Promise<StoredOutcome> => seal(kind, value, op, core.journal, core.settings.inlineResultBytes)

async function committed(core: Core, attempt: LiveAttempt, outcome: StoredOutcome, value: unknown): Promise<Ended> {
  const result = await recordSuccess(core, attempt, outcome)
  await at(core, 'committed', attempt.op.key)
  // With the outcome, so that everyone who shares this execution is told the same: a value, or an error that means done.
  if (result === undefined) return { kind: 'committed', record: { ...attempt.record, outcome }, value, recorded: false }
  if (result.kind === 'committed') return { kind: 'committed', record: result.record, value, recorded: true }
  return result
}

type Closing =
  | { readonly type: 'unsent'; readonly error: unknown }
  | { readonly type: 'reject'; readonly error: unknown; readonly stored: NonNullable<OperationRecord['error']> }

/** Ends an attempt that provably did nothing; when the store cannot take that, it is told and recorded as doubt. */
async function close(core: Core, attempt: LiveAttempt, closing: Closing): Promise<Ended> {
  attempt.closed = true
  const command =
    closing.type === 'reject' ? { type: 'reject' as const, error: closing.stored } : { type: 'unsent' as const }
  const result = await closeWith(core, attempt, command).catch(onlyUnavailable)
  // The ledger will call it a doubt when the lease is over, and recovery may then do it: "not done" may not stay true.
  if (result === undefined) return unrecordedDoubt(attempt, closing.error)
  const { record } = result
  if (record?.state === 'in-doubt') return { kind: 'doubt', record, error: closing.error }
  if (!result.applied) return { kind: 'overtaken', record }
  if (record?.state === 'awaiting-input') return { kind: 'refused-round', record, error: closing.error }
  return { kind: 'none', record, error: closing.error, retryable: closing.type === 'unsent' }
}

async function closeWith(
  core: Core,
  attempt: LiveAttempt,
  command:
    | { readonly type: 'unsent' }
    | { readonly type: 'reject'; readonly error: NonNullable<OperationRecord['error']> },
): ReturnType<Core['journal']['apply']> {
  const result = await core.journal.apply(attempt.op.key, attempt.op.tenant, attempt, {
    ...command,
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    questionMs: questionMsOf(core, attempt),
    ended: attempt.othersEnded,
  })
  tellNewDoubt(core, result)
  return result
}

async function doubt(
  core: Core,
  attempt: LiveAttempt,
  reason: DoubtReason,
  evidence: string,
  error: unknown,
  returned: boolean,
): Promise<Ended> {
  await at(core, 'before-doubt', attempt.op.key)
  const keyless = core.manners.isKeyless(attempt, returned)
  const result = await core.journal
    .apply(attempt.op.key, attempt.op.tenant, attempt, {
      type: 'doubt',
      fence: attempt.record.fence,
      who: core.processes.self,
      reason: keyless ? 'no-key' : reason,
      evidence: keyless ? `${evidence}; it was sent under no key of ours` : evidence,
      ended: returned && attempt.othersEnded,
    })
    .catch(onlyUnavailable)
  if (result === undefined) return unrecordedDoubt(attempt, error)
  await at(core, 'doubted', attempt.op.key)
  return toldDoubt(core, attempt, result, error)
}

type Doubted = Extract<Ended, { kind: 'doubt' }>

/** The end of an attempt that may have acted, whatever else stands in the ledger by now. */
export function toldDoubt(core: Core, attempt: LiveAttempt, step: Applied, error: unknown): Doubted {
  tellNewDoubt(core, step)
  const { record } = step
  return record?.state === 'in-doubt' ? { kind: 'doubt', record, error } : unrecordedDoubt(attempt, error)
}

/** The ledger could not be told; the lapsed lease will tell it. The caller hears the doubt all the same. */
export const unrecordedDoubt = (attempt: LiveAttempt, error: unknown): Doubted => ({
  kind: 'doubt',
  record: { ...attempt.record, state: 'in-doubt', reason: 'threw' },
  error,
})

function onlyUnavailable(error: unknown): undefined {
  if (isStoreUnavailable(error)) return undefined
  throw error
}

/** Why an attempt was not begun that may not send any more. */
export const overBeforeBegun = (core: Core): Error =>
  core.closing ? closed() : new Error('the attempt’s lease was over before its first byte')

export const timeoutError = (ms: number): Error => new DOMException(`no answer within ${ms} ms`, 'TimeoutError')
