import { cancelled } from './answers.ts'
import { newAttempt } from './attempt.ts'
import { tellDoubt, type Core } from './core.ts'
import { executeMarked, type Ended, type ExecuteOptions } from './execute.ts'
import type { Operation } from './operation.ts'
import { evidenceOfRound, type OperationRecord } from './record.ts'
import type { Reading } from './store.ts'

/** True when this round of the operation was sent before, from whatever process. The first round has no name. */
export const wasSent = (record: OperationRecord, round: string | undefined): boolean =>
  round === undefined || record.evidence.some(({ what }) => what === evidenceOfRound(round))

/** Questions that nobody has answered yet, for callers who lost them on the way: in memory only. Bounded. */
export interface Questions {
  ask(key: string, question: Asked): void
  /** The question that this very round of the operation was answered with. */
  of(key: string, round: string | undefined, number: number): unknown
}

interface Asked {
  readonly round: string | undefined
  /** How many questions had been asked, this one included. */
  readonly number: number
  readonly value: unknown
}

const KEPT = 1_000

export function createQuestions(): Questions {
  const known = new Map<string, Asked>()
  return {
    ask(key, question) {
      known.delete(key)
      known.set(key, question)
      const oldest = known.size > KEPT ? known.keys().next() : undefined
      if (oldest?.value !== undefined) known.delete(oldest.value)
    },
    of(key, round, number) {
      const asked = known.get(key)
      return asked !== undefined && asked.round === round && asked.number === number ? asked.value : undefined
    },
  }
}

export interface RoundOptions extends ExecuteOptions {
  readonly round: string | undefined
  /** Checked up to the moment that the round is sent: an abort before it sends nothing. */
  readonly signal: AbortSignal
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
  const { leaseMs } = core.settings
  const resumed = await core.journal.apply(op.key, op.tenant, from, {
    type: 'resume',
    fence,
    nonce,
    who,
    leaseMs,
    ...(options.round === undefined ? {} : { round: options.round }),
  })
  if (!resumed.applied || resumed.record === undefined) return { kind: 'overtaken', record: resumed.record }
  const { record, now } = resumed
  const attempt = newAttempt(op, nonce, record, now, startedAt + leaseMs, startedAt)
  core.live.add(attempt)
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
      if (doubted.applied && doubted.record !== undefined) tellDoubt(core, doubted.record)
      return { kind: 'overtaken', record: undefined }
    }
    const ended = await executeMarked(core, attempt, options)
    return ended.kind === 'overtaken' && attempt.started ? { ...ended, acted: attempt.record } : ended
  } finally {
    attempt.closed = true
    core.live.delete(attempt)
  }
}
