import { inDoubt, noticeOf } from './answers.ts'
import { decode } from './codec.ts'
import type { Flight, Settled } from './flight.ts'
import { ticketOf, type Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'

/**
 * What a call came to. `value` is undefined while `status` is `in-doubt`, and the downstream's question while it is
 * `awaiting-input`.
 */
export interface Outcome<Output = unknown> {
  readonly status: 'committed' | 'accepted' | 'awaiting-input' | 'in-doubt'
  readonly value: Output
  /** True when the value is the recorded one of an earlier, equal call. */
  readonly replayed: boolean
  /** True when this call shared the execution of a concurrent one. */
  readonly joined: boolean
  readonly key: string
  readonly ticket: string
  readonly attempts: number
  /** False while the answer is only in the spool of this machine. */
  readonly recorded: boolean
  /** Told beside a replay: this is the earlier result, and how to ask for another. */
  readonly notice: string | undefined
  /** Why `value` is missing although the effect is done. */
  readonly missing: string | undefined
  /** The tool's own error: for `in-doubt` what the attempt threw, for `committed` an error that the contract reads as done. */
  readonly error: unknown
  readonly record: OperationRecord | undefined
}

/** What a caller of a finished operation is told. */
export function outcomeOf(
  settled: Extract<Settled, { kind: 'committed' | 'accepted' }>,
  op: Operation,
  joined: boolean,
): Outcome {
  const { record } = settled
  const isReplayed = joined || !settled.fresh
  const stored = record.outcome
  // Callers that share one execution get their own copy: what one of them changes, the others must not see.
  const value = joined && stored?.text !== undefined ? decode(stored.text) : settled.value
  const failed = stored?.kind === 'error'
  return {
    status: settled.kind,
    value: failed ? undefined : value,
    error: failed ? value : undefined,
    replayed: isReplayed,
    joined,
    key: op.key,
    ticket: ticketOf(op.key),
    attempts: record.attempts,
    recorded: settled.recorded,
    notice: isReplayed ? noticeOf(record) : undefined,
    missing: settled.missing,
    record,
  }
}

/** What a caller is told whose downstream asks it something. */
export function askedOf(settled: Extract<Settled, { kind: 'asked' }>, op: Operation, joined: boolean): Outcome {
  const { record, value, fresh } = settled
  return {
    status: 'awaiting-input',
    value,
    error: undefined,
    replayed: joined || !fresh,
    joined,
    key: op.key,
    ticket: ticketOf(op.key),
    attempts: record.attempts,
    recorded: true,
    notice: undefined,
    missing: undefined,
    record,
  }
}

/** What a caller of an operation in doubt is told: an error, unless it asked for the outcome. */
export function doubtful(
  record: OperationRecord,
  error: unknown,
  options: { readonly onDoubt?: 'throw' | 'wait' | 'return' | undefined },
): Outcome {
  if (options.onDoubt !== 'return') throw inDoubt(record, error)
  return {
    status: 'in-doubt',
    value: undefined,
    error: error ?? inDoubt(record),
    replayed: error === undefined,
    joined: false,
    key: record.key,
    ticket: ticketOf(record.key),
    attempts: record.attempts,
    recorded: true,
    notice: undefined,
    missing: undefined,
    record,
  }
}

/** A record as it stands for an operation that is executing here, for comparisons only. */
export function provisional({ op }: Pick<Flight, 'op'>): OperationRecord {
  return {
    ...op.descriptor,
    key: op.key,
    state: 'executing',
    revision: 0,
    fence: 0,
    nonce: '',
    writeId: '',
    owner: '',
    generation: 0,
    attempts: 1,
    recoveries: 0,
    openSends: 0,
    leaseUntil: 0,
    firstSendAt: 0,
    doubtAt: 0,
    createdAt: 0,
    updatedAt: 0,
    input: op.frozen,
    outcome: undefined,
    error: undefined,
    reason: undefined,
    evidence: [],
    round: 0,
    children: [],
    delivered: false,
    closedBy: undefined,
  }
}
