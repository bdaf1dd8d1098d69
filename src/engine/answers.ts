import { OnefoldError } from '../error/index.ts'
import { differingFields } from '../key/index.ts'
import { thaw } from './frozen.ts'
import type { Operation } from './operation.ts'
import { ticketOf } from './operation.ts'
import { isKnownReason, keepsDiverging, stateBefore, type OperationRecord } from './record.ts'

/** What duplicates and callers of unfinished operations are told (protocol.md section 7). Never a stored result. */

/** `KEY_REUSED` when the record is bound to other field values; undefined when the call matches it. */
export function keyReused(op: Operation, record: OperationRecord): OnefoldError | undefined {
  if (record.fingerprint === op.descriptor.fingerprint) return undefined
  const sequence = op.contract.sequence
  const fields = fieldsThatDiffer(op, record)
  const named = fields.length === 0 ? 'a field that must match' : fields.join(', ')
  return new OnefoldError(
    sequence ? 'DIVERGED' : 'KEY_REUSED',
    sequence
      ? `Call ${String(op.index)} of ${op.contract.name} in this run differs from the recorded one in ${named}. No effect started; the earlier call stands.`
      : `${op.contract.name}: this operation is already recorded with another value of ${named}. No effect started; repeat the call with the same values, or change an identity field if a new operation is wanted.`,
    { effect: effectOf(record), key: record.key, ticket: ticketOf(record.key), details: { fields } },
  )
}

function fieldsThatDiffer(op: Operation, record: OperationRecord): readonly string[] {
  if (record.input === undefined) return []
  try {
    const recorded = op.contract.bindingOf(thaw(record.input))
    const wanted = op.contract.bindingOf(thaw(op.frozen))
    return differingFields(recorded, wanted)
  } catch {
    return []
  }
}

const effectOf = (record: OperationRecord): 'done' | 'none' | 'unknown' =>
  stateBefore(record) === 'committed' ? 'done' : record.state === 'claimed' ? 'none' : 'unknown'

/** `CONTRACT_SUPERSEDED`: another major of the contract owns the operation, and nothing may run it now. */
export function superseded(op: Operation, record: OperationRecord): OnefoldError {
  return new OnefoldError(
    'CONTRACT_SUPERSEDED',
    `${op.contract.name} version ${op.contract.major} met an operation recorded by version ${record.major}${record.state === 'committed' ? ', which is done' : ', which is not finished'}. Nothing was executed; let the older version finish it, or list the version in replaysFrom if its result has the same shape.`,
    {
      effect: effectOf(record),
      key: record.key,
      ticket: ticketOf(record.key),
      details: { recorded: record.major, wanted: op.contract.major },
    },
  )
}

/** `IN_DOUBT` with a text that a model can follow. */
export function inDoubt(record: OperationRecord, cause?: unknown): OnefoldError {
  const ticket = ticketOf(record.key)
  const closed = record.state === 'abandoned' && record.closedBy !== undefined
  const how = closed
    ? `A person (${record.closedBy.who}) closed it without knowing.`
    : `It will be settled ${howSettled(record)}.`
  return new OnefoldError(
    'IN_DOUBT',
    `The outcome of ${record.tool} is unknown: it may have happened. Do not call it again and do not change its arguments. ${how} Ticket ${ticket}.`,
    {
      effect: 'unknown',
      key: record.key,
      ticket,
      cause,
      details: { reason: record.reason, recovery: record.recovery },
    },
  )
}

function howSettled(record: OperationRecord): string {
  if (!isKnownReason(record.reason)) return 'by the newer version of onefold that recorded it, or by a person'
  if (keepsDiverging(record))
    return 'by a person, since its parts no longer come as they were recorded when it first ran (DIVERGED)'
  if (record.reason === 'window-closed' || record.reason === 'precondition-failed') return 'by a person'
  if (record.reason === 'no-key') return 'by asking the downstream where the tool has a probe, else by a person'
  switch (record.recovery) {
    case 'keyed':
      return 'by sending it again under the same key, automatically'
    case 'probe':
      return 'by asking the downstream, automatically'
    case 'idempotent':
      return 'by applying it again while its precondition holds, automatically'
    case 'composite':
      return 'by running it again with its recorded parts, automatically'
    default:
      return 'by a person'
  }
}

/** `IN_PROGRESS`: the original still runs; waiting can help. */
export function inProgress(record: OperationRecord | undefined, op: Operation, retryAfterMs: number): OnefoldError {
  return new OnefoldError(
    'IN_PROGRESS',
    `${op.contract.name} is still running for an earlier call. Nothing was started for this one; ask again later with the same arguments to get its answer.`,
    {
      effect: 'unknown',
      retryable: true,
      retryAfterMs,
      key: op.key,
      ticket: ticketOf(op.key),
      details: { state: record?.state },
    },
  )
}

/**
 * `IN_PROGRESS` for a round that was sent before and whose question is not kept, and for one that was refused (`cause`):
 * the operation awaits the answer to its question.
 */
export function awaitsAnswer(record: OperationRecord, op: Operation, cause?: unknown): OnefoldError {
  return new OnefoldError(
    'IN_PROGRESS',
    `${op.contract.name} has asked its caller a question and awaits the answer. Nothing was done for this call; answer the question, or ask again later with the same arguments to learn what came of it.`,
    {
      effect: 'unknown',
      retryable: true,
      retryAfterMs: 1000,
      key: op.key,
      ticket: ticketOf(op.key),
      cause,
      details: { state: record.state, round: record.round },
    },
  )
}

/** What a record in a final state that holds no answer tells a duplicate; undefined for every other state. */
export function closedAnswer(record: OperationRecord): OnefoldError | undefined {
  const about = { key: record.key, ticket: ticketOf(record.key) }
  const before = stateBefore(record)
  switch (before === 'compensated' ? before : record.state) {
    case 'expired': {
      const done = before === 'committed'
      return new OnefoldError(
        'RESULT_EXPIRED',
        `${record.tool} ${done ? 'was done, and its result is' : 'may have been done, and what was known of it is'} no longer kept. Nothing was executed; look the result up downstream, or ask for a further occurrence if it is wanted again.`,
        { ...about, effect: done ? 'done' : 'unknown' },
      )
    }
    case 'compensating':
    case 'compensated':
      return new OnefoldError(
        'COMPENSATED',
        `${record.tool} was done${before === 'compensated' ? ' and then undone' : ', and its undo has begun: whether that is done is not known'}. Nothing was executed; ask for a further occurrence if it is wanted again.`,
        // While the undo is only under way, the effect still stands.
        { ...about, effect: before === 'compensated' ? 'none' : 'unknown', details: { state: record.state } },
      )
    case 'abandoned':
      return inDoubt(record)
    case 'superseded':
      return new OnefoldError(
        'CONTRACT_SUPERSEDED',
        `A newer version of ${record.tool} has taken this operation over, and may have done it. Nothing was executed here; ask where the newer contract, or the newer secret, is deployed.`,
        // What came of it stands under a key that only the newer version can name.
        { ...about, effect: 'unknown' },
      )
    default:
      return undefined
  }
}

/** `REJECTED`: nothing happened. `retryable` where the same call may succeed later. */
export function rejected(tool: string, key: string, cause: unknown, retryable: boolean): OnefoldError {
  const told = cause instanceof Error ? cause.message : 'it was refused'
  const why = /[\p{L}\p{N}]$/u.test(told) ? `${told}.` : told
  return new OnefoldError(
    'REJECTED',
    `${tool} did not happen: ${why}${retryable ? ' Nothing was sent; it may be called again.' : ' It may be called again with corrected input.'}`,
    { effect: 'none', retryable, key, cause },
  )
}

/** `CANCELLED`, either before anything was sent or while the work goes on. */
export function cancelled(tool: string, key: string, stillRunning: boolean): OnefoldError {
  return stillRunning
    ? new OnefoldError(
        'CANCELLED',
        `You stopped waiting for ${tool}, which had already started and goes on. Its outcome is recorded under ticket ${ticketOf(key)}; do not call it again to find out.`,
        { effect: 'unknown', key, ticket: ticketOf(key), details: { running: true } },
      )
    : new OnefoldError('CANCELLED', `${tool} was cancelled before anything was sent. No effect started.`, {
        effect: 'none',
        key,
      })
}

/** What a repeat of a finished operation is told beside the original value. */
export function noticeOf(record: OperationRecord): string {
  const next = record.occurrence + 1
  return `This is the result of an earlier, equal call of ${record.tool}; nothing was done again. To do it again on purpose, ask for occurrence ${next}.`
}

export const closed = (): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', 'This guard is closed. No effect started.', { effect: 'none' })
