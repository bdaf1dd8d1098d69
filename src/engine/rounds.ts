import { cancelled } from './answers.ts'
import { newAttempt } from './attempt.ts'
import { OVERTAKEN } from './claim.ts'
import { tellNewDoubt, type Core } from './core.ts'
import { executeMarked, type Ended, type ExecuteOptions } from './execute.ts'
import type { Abandoned } from './flight.ts'
import { thaw } from './frozen.ts'
import { keepNewest } from './newest.ts'
import type { Operation } from './operation.ts'
import { keyKnownUntil, type OperationRecord } from './record.ts'
import type { Reading } from './store.ts'

/**
 * Questions by the rounds that came to them, for callers who lost them on the way or start over: in memory only, and
 * never sent for again. Bounded.
 */
export interface Questions {
  ask(record: OperationRecord, round: string | undefined, value: unknown): void
  /** The question that this very round of the operation was answered with. */
  of(record: OperationRecord, round: string | undefined): unknown
}

const KEPT = 1_000

export function createQuestions(): Questions {
  const known = new Map<string, { readonly fence: number; readonly byRound: Map<string | undefined, unknown> }>()
  return {
    ask({ key, fence }, round, value) {
      const before = known.get(key)
      const entry = before?.fence === fence ? before : { fence, byRound: new Map<string | undefined, unknown>() }
      entry.byRound.set(round, value)
      keepNewest(known, key, entry, KEPT)
    },
    of({ key, fence }, round) {
      const entry = known.get(key)
      return entry?.fence === fence ? entry.byRound.get(round) : undefined
    },
  }
}

export interface RoundOptions extends ExecuteOptions {
  readonly round: string | undefined
  /** Checked up to the moment that the round is sent: an abort before it sends nothing. */
  readonly signal: Readonly<Abandoned>
}

/** What `prepare` handed to the first round is what the later ones are about; it is not asked again. */
function withFrozenInput(op: Operation, record: OperationRecord): Operation {
  if (op.contract.prepare === undefined) return op
  // Nothing erases that of an open record.
  const frozen = record.input as string
  return { ...op, input: thaw(frozen), frozen }
}

/**
 * The next round of an operation that awaits one: the same attempt, in whichever process its caller comes back.
 * `overtaken` tells that somebody else was first; the caller looks again.
 * @throws OnefoldError STORE_UNAVAILABLE (this round was not sent), CANCELLED
 */
export async function resumeAndExecute(
  core: Core,
  op: Operation,
  from: Reading & { readonly record: OperationRecord },
  options: RoundOptions,
): Promise<Ended> {
  const { fence, nonce } = from.record
  const who = core.processes.self
  const startedAt = core.clock.bootMs()
  const amnesiaAt = core.journal.amnesia()?.at ?? 0
  if (options.signal.aborted) throw cancelled(op.contract.name, op.key, true)
  const { leaseMs, windowMarginMs: marginMs } = core.settings
  const resumed = await core.journal.apply(op.key, op.tenant, from, {
    type: 'resume',
    fence,
    nonce,
    who,
    leaseMs,
    quarantineMs: core.naming.quarantineMs,
    ...(options.round === undefined ? {} : { round: options.round }),
  })
  if (!resumed.applied || resumed.record === undefined) return OVERTAKEN
  const { record, now } = resumed
  const attempt = newAttempt(withFrozenInput(op, record), nonce, record, now, startedAt + leaseMs, startedAt)
  const { recovery } = op.contract
  if (recovery.class === 'keyed')
    attempt.windowOverAt = startedAt + keyKnownUntil(record, { windowMs: recovery.windowMs, marginMs }) - now
  const slot = core.live.add(attempt)
  try {
    if (resumed.amnesiaAt !== amnesiaAt) {
      // Records were lost meanwhile: this one may be an older state of an operation that has gone on.
      const doubted = await core.journal.apply(op.key, op.tenant, attempt, {
        type: 'doubt',
        fence,
        who,
        reason: 'amnesia',
        evidence: 'the store lost records; this round was not sent',
      })
      tellNewDoubt(core, doubted)
      return OVERTAKEN
    }
    const ended = await executeMarked(core, attempt, options)
    return ended.kind === 'overtaken' && attempt.started ? { ...ended, acted: attempt.record } : ended
  } finally {
    attempt.closed = true
    core.live.take(slot)
  }
}
