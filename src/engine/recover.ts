import type { Contract, ProbeAnswer, ProbeContext, ProbeFunction, RunReference } from '../contract/index.ts'
import { downstreamKey } from '../key/index.ts'
import { newAttempt } from './attempt.ts'
import { sleep } from './clock.ts'
import { at, type Core } from './core.ts'
import { executeMarked, type Ended } from './execute.ts'
import { describe } from './classify.ts'
import { thaw } from './frozen.ts'
import { inquire } from './inquire.ts'
import {
  isKnownReason,
  keepsDiverging,
  keyKnownUntil,
  quarantineOf,
  type DoubtReason,
  type OperationRecord,
} from './record.ts'
import { seal } from './outcome.ts'
import type { Operation } from './operation.ts'
import { runOfRecord } from './run.ts'

/** Doubts that only a person can settle, whatever their class. */
const FINAL_REASONS: readonly (DoubtReason | undefined)[] = [
  'window-closed',
  'precondition-failed',
  'verification-failed',
]

/**
 * True when the engine may settle this doubt by itself, given the contract is registered here.
 * @param asks true when the tool is known to ask for its key before it sends
 */
export function recoversByItself(record: OperationRecord, contract: Contract | undefined, asks = false): boolean {
  if (record.state === 'recovering') return true
  if (record.state !== 'in-doubt' || FINAL_REASONS.includes(record.reason)) return false
  if (!isKnownReason(record.reason) || keepsDiverging(record)) return false
  const { recovery } = record
  if (recovery === 'manual' || recovery === 'transactional') return false
  // After a loss nothing that was recorded tells how to send again, and without a key nothing may: only asking can settle it.
  if (record.reason === 'amnesia' || (record.reason === 'no-key' && !asks))
    return recovery === 'probe' || (recovery === 'keyed' && probeOf(contract) !== undefined)
  return contract === undefined || (contract.major === record.major && contract.recovery.class === recovery)
}

const probeOf = (contract: Contract | undefined): unknown =>
  contract !== undefined && 'probe' in contract.recovery ? contract.recovery.probe : undefined

/** A probe sends nothing, and so leaves the quarantine of a doubt as it is: it may be asked more often. */
const LONGEST_BEFORE_PROBE_MS = 30_000

/** Milliseconds from the doubt on before the next recovery may begin; the first may at once. */
export function backoffMs(core: Core, record: OperationRecord): number {
  if (record.recoveries === 0) return 0
  const { recoveryBackoffMs, maxRecoveryBackoffMs } = core.settings
  const longest =
    record.recovery === 'probe' ? Math.min(maxRecoveryBackoffMs, LONGEST_BEFORE_PROBE_MS) : maxRecoveryBackoffMs
  return Math.min(longest, recoveryBackoffMs * 2 ** Math.min(record.recoveries - 1, 20))
}

/**
 * One recovery of a doubt, T10 to its end. Resolves to how it ended, or to undefined where only the ledger can tell: it
 * stays in doubt, is released, or somebody else has it.
 * @throws OnefoldError STORE_UNAVAILABLE
 */
export async function recoverOnce(
  core: Core,
  contract: Contract,
  record: OperationRecord,
  now: number,
  background = false,
): Promise<Ended | undefined> {
  // The clock of every deadline starts before the store's clock is read (protocol.md section 4).
  const startedAt = core.clock.bootMs()
  const nonce = core.ids.nonce()
  const begun = await core.journal.apply(
    record.key,
    record.tenant,
    { record, now },
    {
      type: 'recover',
      nonce,
      who: core.processes.self,
      leaseMs: core.settings.leaseMs,
      backoffMs: backoffMs(core, record),
    },
  )
  if (!begun.applied || begun.record === undefined) return undefined
  const op = frozenOperation(contract, begun.record)
  if (op === undefined) {
    const { fence } = begun.record
    await core.journal.apply(record.key, record.tenant, begun, {
      type: 'give-up',
      fence,
      nonce,
      who: core.processes.self,
      reason: record.reason ?? 'recovery-failed',
      evidence: 'what was asked for cannot be read by this version of onefold: a newer one recorded it',
    })
    return undefined
  }
  const attempt = newAttempt(op, nonce, begun.record, begun.now, startedAt + core.settings.leaseMs, startedAt)
  const slot = core.live.add(attempt)
  try {
    await at(core, 'recovering', record.key)
    const amnesiaAt = core.journal.amnesia()?.at ?? 0
    const stale = isStale(core, record)
    return await settleBy(core, contract, { core, op, attempt, startedAt, background, stale, amnesiaAt })
  } finally {
    core.live.take(slot)
  }
}

interface Recovery {
  readonly core: Core
  readonly op: Operation
  readonly attempt: ReturnType<typeof newAttempt>
  readonly startedAt: number
  /** True when no caller waits for it: its waiting then does not keep the process alive. */
  readonly background: boolean
  /** True when the store lost records after this one was written: it may be an older state of the operation. */
  readonly stale: boolean
  /** The amnesia mark that {@link stale} was judged under; 0 for none. */
  readonly amnesiaAt: number
}

const isStale = (core: Core, record: OperationRecord): boolean => {
  const mark = core.journal.amnesia()
  // Not when it was last written: a doubt that was noted after the loss is about a send from before it. And a doubt that
  // is about the loss itself has a key of its own that says nothing about the lost one. For a lease after the mark an
  // engine may have begun something without having heard of it.
  return record.reason === 'amnesia' || (mark !== undefined && record.firstSendAt <= mark.at + core.settings.leaseMs)
}

async function settleBy(core: Core, contract: Contract, it: Recovery): Promise<Ended | undefined> {
  const { recovery } = contract
  switch (recovery.class) {
    case 'keyed': {
      const window = { windowMs: recovery.windowMs, marginMs: core.settings.windowMarginMs }
      const { record, now } = it.attempt
      const openUntil = keyKnownUntil(record, window)
      // A re-send was answered 5xx: it may be the stored answer of the first, which no further one will change.
      if (record.reason === 'server-error' && record.recoveries > 1 && recovery.probe !== undefined) {
        return await ask(it, recovery.probe as ProbeFunction<never, unknown>, recovery.settleMs, 'server-error')
      }
      const keyless = record.reason === 'no-key' && !core.manners.asks(contract.name)
      if (record.firstSendAt > 0 && now < openUntil && !it.stale && !keyless) {
        return await resend(it, { window }, it.startedAt + (openUntil - now))
      }
      if (recovery.probe !== undefined)
        return await ask(
          it,
          recovery.probe as ProbeFunction<never, unknown>,
          recovery.settleMs,
          keyless ? 'no-key' : 'window-closed',
        )
      return await giveUp(
        it,
        'window-closed',
        it.stale
          ? 'the store lost records: the key it was sent under may be another'
          : 'the downstream’s window for this key is closed',
      )
    }
    case 'probe':
      return await ask(it, recovery.probe as ProbeFunction<never, unknown>, recovery.settleMs, 'recovery-failed')
    case 'idempotent': {
      let holds: boolean
      try {
        holds = await inquired(it, (context) => recovery.precondition(it.op.input as never, context))
        if (typeof holds !== 'boolean') throw new TypeError('it answered neither true nor false')
      } catch (error) {
        return await giveUp(it, 'recovery-failed', `the precondition could not be checked: ${describe(error)}`)
      }
      if (!holds) return await giveUp(it, 'precondition-failed', 'the precondition of re-applying does not hold')
      return await resend(it, { preconditionHolds: true }, Infinity)
    }
    case 'composite':
      return await resend(it, {}, Infinity)
    default:
      return await giveUp(it, 'recovery-failed', `${recovery.class} tools are not recovered by the engine`)
  }
}

/** T13: the same downstream key, the frozen input, and the deadline of the downstream's window. */
async function resend(
  it: Recovery,
  guard: {
    readonly window?: { readonly windowMs: number; readonly marginMs: number }
    readonly preconditionHolds?: boolean
  },
  windowOverAt: number,
): Promise<Ended | undefined> {
  const { core, op, attempt } = it
  await at(core, 'before-resend', op.key)
  const beforeMark = core.clock.bootMs()
  const marked = await core.journal.apply(op.key, op.tenant, attempt, {
    type: 'resend',
    ...guard,
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    leaseMs: core.settings.leaseMs,
    quarantineMs: core.naming.quarantineMs,
    checked: op.contract.sends === 'checked',
  })
  // Refused by its window. Where somebody else has the record by now, giving up is refused as well.
  if (!marked.applied) return await giveUp(it, 'window-closed', 'the downstream’s window for this key is closed')
  attempt.othersEnded = attempt.record.checked
  attempt.record = marked.record as OperationRecord
  attempt.now = marked.now
  attempt.leaseOverAt = beforeMark + core.settings.leaseMs
  attempt.windowOverAt = windowOverAt
  if (marked.amnesiaAt !== it.amnesiaAt) {
    // Records were lost since this recovery began: nothing is sent, and the next one judges the record anew.
    const { fence } = attempt.record
    const ended = attempt.othersEnded
    const doubt = { type: 'doubt', fence, who: core.processes.self, reason: 'recovery-failed', ended } as const
    await core.journal.apply(op.key, op.tenant, attempt, doubt)
    return undefined
  }
  return await executeMarked(core, attempt, {
    run: runOfRecord(attempt.record),
    frame: undefined,
    execute: (input, context) => op.contract.execute(input, context),
  })
}

/**
 * T11 and T12. Found settles at once; not found only counts when nothing of an earlier attempt can land any more, so
 * it asks early and, if need be, once more after the wait, which this process measures on its own boot clock.
 */
async function ask(
  it: Recovery,
  probe: ProbeFunction<never, unknown>,
  settleMs: number,
  whenUnknown: DoubtReason,
): Promise<Ended | undefined> {
  const { core, op, attempt, startedAt } = it
  const ownerDead = core.processes.isDead(attempt.record.owner, core.journal.store.guarantees.localReads === true)
  // An owner whose lease was ended by a clock that jumped still believes in it: its own guard lasts as long as a lease.
  const graceMs = attempt.record.reason === 'lease-over' && !ownerDead ? core.settings.leaseMs : 0
  const { sendGraceMs, quarantineMs } = core.settings
  const requiredMs = graceMs + sendGraceMs + quarantineOf(attempt.record, quarantineMs) + settleMs
  const keepReason = attempt.record.reason === 'lease-over' ? 'lease-over' : whenUnknown
  for (;;) {
    const waitedMs = core.clock.bootMs() - startedAt
    const answer = await answerOf(it, probe)
    await at(core, 'probed', op.key)
    if (answer.found === true) return await found(it, answer.value)
    if (answer.found === 'unknown') return await giveUp(it, keepReason, answer.why ?? 'the probe could not tell')
    // An owner that lives, and whose sends pass no check, may send at any time: no wait makes its absence count.
    if (!attempt.record.checked && !ownerDead)
      return await giveUp(it, keepReason, 'not found, but its owner may still send')
    if (waitedMs >= requiredMs) {
      const result = await core.journal.apply(op.key, op.tenant, attempt, {
        type: 'absent',
        fence: attempt.record.fence,
        nonce: attempt.nonce,
        who: core.processes.self,
        waitedMs,
        requiredMs,
        ownerDead,
      })
      if (result.applied) return undefined
      // Refused by its owners. Where somebody else has the record by now, giving up is refused as well.
      return await giveUp(it, keepReason, 'not found, but an earlier owner may still send')
    }
    await sleep(core.clock, requiredMs - waitedMs, attempt.controller.signal, it.background)
    if (core.closing || attempt.closed) return undefined
  }
}

async function answerOf(it: Recovery, probe: ProbeFunction<never, unknown>): Promise<ProbeAnswer<unknown>> {
  try {
    const answer: unknown = await inquired(it, (context) => probe(it.op.input as never, context))
    return isProbeAnswer(answer) ? answer : { found: 'unknown', why: 'the probe answered in no form that a probe has' }
  } catch (error) {
    return { found: 'unknown', why: `the probe failed: ${describe(error)}` }
  }
}

/** Code without types may answer anything, and only a plain `false` may mean that nothing is there. */
const isProbeAnswer = (answer: unknown): answer is ProbeAnswer<unknown> =>
  typeof answer === 'object' &&
  answer !== null &&
  'found' in answer &&
  (typeof answer.found === 'boolean' || answer.found === 'unknown')

async function found(it: Recovery, value: unknown): Promise<Ended | undefined> {
  const { core, op, attempt } = it
  const outcome = await seal('value', value, op, core.journal, core.settings.inlineResultBytes)
  const result = await core.journal.apply(op.key, op.tenant, attempt, {
    type: 'found',
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    outcome,
  })
  await at(core, 'recovered', op.key)
  if (!result.applied || result.record === undefined) return undefined
  return { kind: 'committed', record: result.record, value, recorded: true }
}

async function giveUp(it: Recovery, reason: DoubtReason, evidence: string): Promise<undefined> {
  const { core, op, attempt } = it
  await core.journal.apply(op.key, op.tenant, attempt, {
    type: 'give-up',
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    reason,
    evidence,
  })
}

/** Asks the downstream, or whoever knows, within the tool's time-out. @throws what was asked, or an Error after it */
function inquired<T>(it: Recovery, ask: (context: ProbeContext) => T | Promise<T>): Promise<T> {
  const { core, op, background } = it
  const { signal } = it.attempt.controller
  return inquire(core, op.contract, it.attempt.record, { signal, background }, (until) => ask(probeContext(it, until)))
}

const probeContext = (it: Recovery, signal: AbortSignal): ProbeContext => ({
  key: it.op.key,
  attempt: it.attempt.record.attempts,
  signal,
  run: referenceOf(it.attempt.record),
  downstreamKey: (provider, operation) =>
    downstreamKey({
      key: it.op.key,
      provider,
      operation,
      generation: it.attempt.record.generation,
    }),
})

/** The run that first asked, as functions of a contract see it. */
export const referenceOf = ({ run, tenant, session }: OperationRecord): RunReference | undefined =>
  run === undefined ? undefined : { id: run, tenant, session }

/**
 * The operation as it was first made: its frozen input, never a later caller's. Undefined where only a newer version can
 * read that.
 */
function frozenOperation(contract: Contract, record: OperationRecord): Operation | undefined {
  // Only retention erases it, and never that of a doubt.
  const frozen = record.input as string
  let input: unknown
  try {
    input = thaw(frozen)
  } catch {
    return undefined
  }
  return {
    key: record.key,
    tenant: record.tenant,
    contract,
    input,
    frozen,
    descriptor: record,
    older: [],
    index: undefined,
  }
}
