import { isOnefoldError, isStoreUnavailable } from '../error/index.ts'
import { contextOf, maySend, portOf, type LiveAttempt } from './attempt.ts'
import { sleep } from './clock.ts'
import { at, inBackground, type Core } from './core.ts'
import {
  entered,
  overBeforeBegun,
  timeoutError,
  toldDoubt,
  unrecordedDoubt,
  withinDeadline,
  type Ended,
  type ExecuteOptions,
} from './execute.ts'
import { seal } from './outcome.ts'
import { Question } from './question.ts'
import type { Reading, StoreTransaction } from './store.ts'

const TRIES_TO_READ = 3

/**
 * Runs `execute` for a claimed attempt inside a transaction of the store. Marker and outcome (T2, T5) are the last thing
 * written in it, so the effect and its record are committed as one: a crash anywhere leaves both or neither, and a claim
 * that lapsed is always safe to take over, since the old transaction can no longer write its record.
 * @throws OnefoldError STORE_UNAVAILABLE, STORE_UNSAFE: nothing has begun
 */
export async function executeInTransaction(core: Core, attempt: LiveAttempt, options: ExecuteOptions): Promise<Ended> {
  const { op } = attempt
  const transaction = await begin(core, attempt)
  if (transaction === undefined)
    return { kind: 'none', record: attempt.record, error: overBeforeBegun(core), retryable: true }
  await at(core, 'marked', op.key)
  const port = portOf(attempt, core.clock, options.run)
  const context = contextOf(attempt, core.clock, options.run, core.makeFetch, port, transaction.handle)
  const result = await withinDeadline(core, op.contract, entered(core, attempt, options, port, context))
  if (result.kind === 'value' && result.value instanceof Question)
    return await asked(core, attempt, transaction, result.value)
  if (result.kind === 'value') return await committed(core, attempt, transaction, result.value)
  if (result.kind === 'error') return await undone(core, attempt, transaction, result.error, mayPass(result.error))
  attempt.controller.abort(new DOMException('the attempt’s deadline passed', 'TimeoutError'))
  return await undone(core, attempt, transaction, timeoutError(op.contract.timeoutMs), true)
}

/** Undefined where the claim was over before it began. */
async function begin(core: Core, attempt: LiveAttempt): Promise<StoreTransaction | undefined> {
  const { store } = core.journal
  try {
    // Registration has made sure that the store has transactions. Its turn comes: whoever has one ends by the deadline
    // of its tool, and waits for no other's.
    const transaction = await (store.begin as NonNullable<typeof store.begin>)(attempt.op.contract.timeoutMs)
    if (maySend(attempt, core.clock)) return transaction
    await transaction.rollback()
  } catch (error) {
    await withdraw(core, attempt)
    throw error
  }
  await withdraw(core, attempt)
  return undefined
}

async function committed(
  core: Core,
  attempt: LiveAttempt,
  transaction: StoreTransaction,
  value: unknown,
): Promise<Ended> {
  const { op, nonce } = attempt
  const { journal, processes, settings } = core
  await at(core, 'answered', op.key)
  const outcome = await seal('value', value, op, journal, settings.inlineResultBytes)
  // A heartbeat that is under way moves the revision; another one would find the record locked by the transaction.
  attempt.closed = true
  await attempt.beating
  await at(core, 'before-commit', op.key)
  const own = { fence: attempt.record.fence, nonce, who: processes.self }
  let result: Awaited<ReturnType<typeof journal.commitIn>>
  try {
    result = await journal.commitIn(transaction, op.key, op.tenant, attempt, [
      { type: 'mark', ...own, leaseMs: settings.leaseMs, input: op.frozen },
      { type: 'commit', ...own, outcome },
    ])
  } catch (error) {
    if (isOnefoldError(error) && error.effect === 'unknown') return await escaped(core, attempt, error)
    if (isUnknown(error)) return await readTheRow(core, attempt, value, error)
    return await undone(
      core,
      attempt,
      transaction,
      error,
      mayPass(error) || (isStoreUnavailable(error) && error.retryable),
    )
  }
  await at(core, 'committed', op.key)
  // Whoever has the record now runs, or ran, on its own: what was done here is undone.
  if (!result.applied || result.record === undefined) return { kind: 'overtaken', record: result.record }
  return { kind: 'committed', record: result.record, value, recorded: true }
}

/** Nothing happened, and nothing of it can be committed any more: T3. Unless the tool has committed by itself. */
async function undone(
  core: Core,
  attempt: LiveAttempt,
  transaction: StoreTransaction,
  error: unknown,
  retryable: boolean,
): Promise<Ended> {
  attempt.closed = true
  const trouble = await transaction.rollback().catch((thrown: unknown) => thrown)
  await attempt.beating
  if (isOnefoldError(trouble) && trouble.effect === 'unknown') return await escaped(core, attempt, trouble)
  await withdraw(core, attempt)
  return { kind: 'none', record: attempt.record, error, retryable }
}

/** What was done before the question is undone: the next round begins anew, with the answer. */
async function asked(
  core: Core,
  attempt: LiveAttempt,
  transaction: StoreTransaction,
  question: Question,
): Promise<Ended> {
  const left = await undone(core, attempt, transaction, undefined, true)
  return left.kind === 'none' ? { kind: 'asked', record: attempt.record, value: question.value } : left
}

/** T3; where the store cannot take it, the claim lapses by itself, and that is always safe (T4). */
async function withdraw(core: Core, attempt: LiveAttempt): Promise<void> {
  attempt.closed = true
  const { op, record, nonce } = attempt
  await core.journal
    .apply(op.key, op.tenant, attempt, { type: 'withdraw', fence: record.fence, nonce, who: core.processes.self })
    .catch((error: unknown) => {
      if (!isStoreUnavailable(error)) throw error
    })
}

/** Nobody said whether the transaction committed: the row does. Its withdrawal and the commit exclude each other. */
async function readTheRow(core: Core, attempt: LiveAttempt, value: unknown, cause: unknown): Promise<Ended> {
  const { op, nonce } = attempt
  for (let tries = 0; tries < TRIES_TO_READ; tries += 1) {
    try {
      const reading = await core.journal.read(op.key, op.tenant)
      const withdrawn = await core.journal.apply(op.key, op.tenant, reading, {
        type: 'withdraw',
        fence: attempt.record.fence,
        nonce,
        who: core.processes.self,
        why: 'its transaction did not commit',
      })
      const { record } = withdrawn
      if (withdrawn.applied) return { kind: 'none', record, error: cause, retryable: true }
      if (record?.state === 'committed' && record.nonce === nonce)
        return { kind: 'committed', record, value, recorded: true }
      return { kind: 'overtaken', record }
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error
    }
  }
  return unrecordedDoubt(attempt, cause)
}

/** The tool has ended the transaction itself: what it did may stand, without a record. */
async function escaped(core: Core, attempt: LiveAttempt, error: unknown): Promise<Ended> {
  try {
    return await doubtClaim(core, attempt, attempt, error)
  } catch (trouble) {
    if (!isStoreUnavailable(trouble)) throw trouble
    // The claim would lapse into "nothing was sent": the ledger is told as soon as it answers.
    inBackground(core, attempt.record, untilDoubted(core, attempt, error))
    return { ...unrecordedDoubt(attempt, error), unheard: true }
  }
}

/** T2 and T8: a marker for what was done without one. */
async function doubtClaim(core: Core, attempt: LiveAttempt, from: Reading, error: unknown): Promise<Ended> {
  const { op, nonce } = attempt
  const who = core.processes.self
  const { fence } = attempt.record
  const marked = await core.journal.apply(op.key, op.tenant, from, {
    type: 'mark',
    fence,
    nonce,
    who,
    leaseMs: core.settings.leaseMs,
    input: op.frozen,
  })
  // Also where the marker is one of before, whose doubt the ledger did not take.
  const doubted = await core.journal.apply(op.key, op.tenant, marked, {
    type: 'doubt',
    fence,
    who,
    reason: 'threw',
    evidence: 'the tool ended the transaction of the engine; what it did before may have been committed',
    ended: true,
  })
  return toldDoubt(core, attempt, doubted, error)
}

async function untilDoubted(core: Core, attempt: LiveAttempt, error: unknown): Promise<void> {
  while (!core.closing) {
    await sleep(core.clock, core.settings.sweepMs)
    try {
      const reading = await core.journal.read(attempt.op.key, attempt.op.tenant)
      await doubtClaim(core, attempt, reading, error)
      return
    } catch (trouble) {
      if (!isStoreUnavailable(trouble)) throw trouble
    }
  }
}

const isUnknown = (error: unknown): boolean => isStoreUnavailable(error) && error.details['applied'] !== 'no'

/** Undone by the server for reasons of the moment: serialization and deadlock. */
const mayPass = (error: unknown): boolean => {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return code === '40001' || code === '40P01'
}
