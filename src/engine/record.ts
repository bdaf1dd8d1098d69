import type { RecoveryClass } from '../contract/index.ts'

/** The states of protocol.md section 3, and `superseded`, the marker that a newer contract leaves under an older key. */
export const STATES = [
  'claimed',
  'executing',
  'awaiting-input',
  'accepted',
  'in-doubt',
  'recovering',
  'compensating',
  'committed',
  'rejected',
  'released',
  'compensated',
  'abandoned',
  'expired',
  'superseded',
] as const

export type State = (typeof STATES)[number]

/** States that somebody still has to bring to an end; never expired, evicted or deleted (I10). */
export const OPEN_STATES: readonly State[] = [
  'claimed',
  'executing',
  'awaiting-input',
  'accepted',
  'in-doubt',
  'recovering',
  'compensating',
]

/** Why nobody knows. */
export const DOUBT_REASONS = [
  'timeout',
  'reset',
  'server-error',
  'unreadable-answer',
  'answered-error',
  'threw',
  'lease-over',
  'shutdown',
  'upstream-died',
  'open-sends',
  'recovery-failed',
  'window-closed',
  /** A `keyed` tool that asked for no key: sending it again would not be the same request. */
  'no-key',
  'precondition-failed',
  'verification-failed',
  /** A composite operation whose parts did not come as they were recorded. */
  'diverged',
  'amnesia',
] as const

export type DoubtReason = (typeof DOUBT_REASONS)[number]

/** False for a reason that a newer version wrote: it may be one against sending again. */
export const isKnownReason = (reason: DoubtReason | undefined): boolean =>
  reason === undefined || DOUBT_REASONS.includes(reason)

/** One fact about an operation in doubt: who learnt what, how. */
export interface Evidence {
  readonly at: number
  readonly who: string
  readonly what: string
}

/** The fact that a round of questions has been sent, by the hash of what its caller answered (T19). */
export const evidenceOfRound = (round: string): string => `round ${round} was sent`
export const isEvidenceOfRound = (what: string): boolean => what.startsWith('round ') && what.endsWith(' was sent')

/**
 * True when this round of the operation came to a question before, in whatever process. The first round has no name: it
 * is the one that the named ones leave over.
 */
export const wasSent = (record: OperationRecord, round: string | undefined): boolean =>
  round === undefined
    ? record.evidence.filter(({ what }) => isEvidenceOfRound(what)).length < record.round
    : record.evidence.some(({ what }) => what === evidenceOfRound(round))

/** The fact that a composite operation, when it ran again, called other parts than were recorded, or in another order. */
export const DIVERGED = 'its parts did not come as they were recorded'

/** Runs that diverge one after the other until no further one is expected to do better. */
const DIVERGING_RUNS = 5

/** True when it diverges whenever it is run: parts that start side by side may only have come in another order, once. */
export const keepsDiverging = ({ reason, evidence }: OperationRecord): boolean =>
  reason === 'diverged' &&
  evidence.length >= DIVERGING_RUNS &&
  evidence.slice(-DIVERGING_RUNS).every(({ what }) => what === DIVERGED)

/** The fact that an operation was done and then undone, in its tombstone. */
export const UNDONE = 'it was undone, before its retention ended'

/** The state that tells what became of an operation: a tombstone's is the one of before (T17). */
export function stateBefore({ state, reason, openSends, evidence }: OperationRecord): State {
  if (state !== 'expired') return state
  if (evidence.some(({ what }) => what === UNDONE)) return 'compensated'
  // One that a person closed without knowing is as unknown as before; a doubt's reason outlives its record's content.
  return reason === undefined && openSends === 0 ? 'committed' : 'abandoned'
}

/** An outcome as it is stored: tagged text inline, a blob by content, or only its hash. */
export interface StoredOutcome {
  /** `value`: the tool returned it; `error`: the tool answered this error and the contract says the effect is done. */
  readonly kind: 'value' | 'error'
  /** Tagged-codec text; absent when `blob` or `omitted`. */
  readonly text?: string
  readonly sha256: string
  readonly size: number
  /** True when the text lies in the blob store under `sha256`. */
  readonly blob?: true
  /** True when the result could not be kept; the truth (it happened) does not depend on it. */
  readonly omitted?: true
}

/** A definitive refusal as it is stored. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly text?: string
}

/** A reference to the operation inside which this one was called. */
export interface ParentReference {
  readonly key: string
  readonly fence: number
  readonly ordinal: number
}

/** What is fixed when an operation is first recorded, and set anew when T18 reuses the record. */
export interface Descriptor {
  readonly tenant: string
  readonly tool: string
  readonly major: number
  readonly recovery: RecoveryClass
  readonly fingerprint: string
  readonly occurrence: number
  readonly run: string | undefined
  readonly session: string | undefined
  readonly call: string | undefined
  readonly parent: ParentReference | undefined
  readonly retentionMs: number
  readonly retryHorizonMs: number
  readonly amount: number | undefined
  /** True when the run id was minted below the retrier (protocol.md section 8, run ids). */
  readonly unanchored: boolean
  /**
   * True when the tool's sends all pass a checkpoint, or when the code of every attempt is known to have returned:
   * a probe's "not found" then needs no proof of the owner's death.
   */
  readonly checked: boolean
  /** Q of the program that recorded it, where that is longer than the default: others must not take it for shorter. */
  readonly quarantineMs?: number | undefined
}

/** One operation's row. Immutable: a change is a new record with `revision + 1`. Times are the store's, in milliseconds. */
export interface OperationRecord extends Descriptor {
  readonly key: string
  readonly state: State
  /**
   * What compare-and-set compares: grows by one with every write, and begins at the store-wide sequence, so that a key
   * that was deleted and recorded anew never meets an old revision again.
   */
  readonly revision: number
  readonly fence: number
  /** Random name of the attempt that owns, or last owned, the record. */
  readonly nonce: string
  /** Random name of the last write: tells a lost acknowledgement from a conflict. */
  readonly writeId: string
  /** Process that owns, or last owned, the record: `host/boot/pid/start`. */
  readonly owner: string
  /** Grows when T18 starts anew, so that the downstream key is a fresh one. */
  readonly generation: number
  /** Executions so far. */
  readonly attempts: number
  /** Times recovery has begun since the last marker of a caller. */
  readonly recoveries: number
  /** Sends whose answer is not known. */
  readonly openSends: number
  /** 0 when nobody owns the record. */
  readonly leaseUntil: number
  /** Store time of the first send under this generation; 0 before. */
  readonly firstSendAt: number
  /** Store time at which the last attempt became in doubt, whatever recovery tried since; 0 when none did. */
  readonly doubtAt: number
  readonly createdAt: number
  readonly updatedAt: number
  /** Text of the input, frozen with the marker; `thaw` reads it. */
  readonly input: string | undefined
  readonly outcome: StoredOutcome | undefined
  readonly error: StoredError | undefined
  readonly reason: DoubtReason | undefined
  readonly evidence: readonly Evidence[]
  /** Rounds of questions so far (T19). */
  readonly round: number
  /** Keys of the children of a composite operation, by ordinal. */
  readonly children: readonly string[]
  /** There is evidence that the caller went on with the answer. */
  readonly delivered: boolean
  /** Who closed the doubt, and why; for `committed`, `released` and `abandoned` by a person. */
  readonly closedBy: { readonly who: string; readonly note: string } | undefined
}

/** The moments that only the store may set, as a {@link Draft} asks for them. */
export interface Moments {
  /** Lease from the store's now on; 0 for none, undefined to keep what is. */
  readonly leaseMs: number | undefined
  readonly firstSendAt: number | 'now'
  readonly doubtAt: number | 'now'
  readonly createdAt: number | 'now'
  /** 0 asks the store for the next number of its store-wide sequence, so that a deleted key never restarts at 1. */
  readonly fence: number
}

/** The next record as the state machine wants it; {@link stamp} turns it into the record that is stored. */
export type Draft = Omit<
  OperationRecord,
  'revision' | 'leaseUntil' | 'firstSendAt' | 'doubtAt' | 'createdAt' | 'updatedAt' | 'fence'
> &
  Moments

/** One step in an operation's life. `state = fold(history)` (I13). */
export interface HistoryEvent {
  /** Store time. */
  readonly at: number
  /** A `Transition` of `edges.ts`, or `duplicate` for a note of calls that met the record and changed nothing. */
  readonly transition: string
  readonly from: State | 'absent'
  readonly to: State | 'deleted'
  readonly fence: number
  readonly nonce: string
  /** Process or person. */
  readonly who: string
  readonly why?: string
  readonly openSends: number
}

/** Store time until which a downstream surely knows the key that an operation was first sent under. */
export const keyKnownUntil = (
  record: Pick<OperationRecord, 'firstSendAt'>,
  window: { readonly windowMs: number; readonly marginMs: number },
): number => record.firstSendAt + window.windowMs - window.marginMs

/** What the store itself adds to a draft. */
export type Stamped = Pick<
  OperationRecord,
  'fence' | 'revision' | 'leaseUntil' | 'firstSendAt' | 'doubtAt' | 'createdAt' | 'updatedAt'
>

/**
 * The one place where store time and sequence enter a record.
 * Stores that compute in their own language must agree with it; the conformance suite checks that.
 */
export function momentsOf(
  draft: Moments,
  current: Pick<OperationRecord, 'revision' | 'leaseUntil'> | undefined,
  now: number,
  sequence: number,
): Stamped {
  const { leaseMs } = draft
  return {
    fence: draft.fence === 0 ? sequence : draft.fence,
    revision: current === undefined ? sequence : current.revision + 1,
    leaseUntil: leaseMs === undefined ? (current?.leaseUntil ?? 0) : leaseMs === 0 ? 0 : now + leaseMs,
    firstSendAt: draft.firstSendAt === 'now' ? now : draft.firstSendAt,
    doubtAt: draft.doubtAt === 'now' ? now : draft.doubtAt,
    createdAt: draft.createdAt === 'now' ? now : draft.createdAt,
    updatedAt: now,
  }
}

/** How operation keys begin; no attempt's nonce is as long. */
const KEY_PREFIX = 'of1_'

/**
 * True for a key that was taken over and given back: its nonce is still the key that had taken it. What was withdrawn (T3)
 * or proven unsent has one of an attempt.
 */
export const wasGivenBack = ({ state, attempts, nonce }: OperationRecord): boolean =>
  state === 'released' && attempts === 0 && nonce.startsWith(KEY_PREFIX)

/** How long what was sent for it may still land: as its own program says, or whoever asks, if that is longer. */
export const quarantineOf = ({ quarantineMs = 0 }: Pick<Descriptor, 'quarantineMs'>, ownMs: number): number =>
  Math.max(quarantineMs, ownMs)

/** Store time from which nothing that was sent for a doubt can still land. */
export const quarantineEnd = (record: Pick<OperationRecord, 'doubtAt' | 'quarantineMs'>, ownMs: number): number =>
  record.doubtAt + quarantineOf(record, ownMs)

/** The record that a store writes for a draft. */
export function stamp(
  draft: Draft,
  current: Pick<OperationRecord, 'revision' | 'leaseUntil'> | undefined,
  now: number,
  sequence: number,
): OperationRecord {
  const moments = momentsOf(draft, current, now, sequence)
  // Field by field: one shape for all records, and several times faster than a copy that leaves members out.
  return {
    tenant: draft.tenant,
    tool: draft.tool,
    major: draft.major,
    recovery: draft.recovery,
    fingerprint: draft.fingerprint,
    occurrence: draft.occurrence,
    run: draft.run,
    session: draft.session,
    call: draft.call,
    parent: draft.parent,
    retentionMs: draft.retentionMs,
    retryHorizonMs: draft.retryHorizonMs,
    amount: draft.amount,
    unanchored: draft.unanchored,
    checked: draft.checked,
    quarantineMs: draft.quarantineMs,
    key: draft.key,
    state: draft.state,
    revision: moments.revision,
    fence: moments.fence,
    nonce: draft.nonce,
    writeId: draft.writeId,
    owner: draft.owner,
    generation: draft.generation,
    attempts: draft.attempts,
    recoveries: draft.recoveries,
    openSends: draft.openSends,
    leaseUntil: moments.leaseUntil,
    firstSendAt: moments.firstSendAt,
    doubtAt: moments.doubtAt,
    createdAt: moments.createdAt,
    updatedAt: moments.updatedAt,
    input: draft.input,
    outcome: draft.outcome,
    error: draft.error,
    reason: draft.reason,
    evidence: draft.evidence,
    round: draft.round,
    children: draft.children,
    delivered: draft.delivered,
    closedBy: draft.closedBy,
  }
}
