import type { Contract } from '../contract/index.ts'
import { downstreamKey } from '../key/index.ts'
import { tellNewDoubt, type Core } from './core.ts'
import { inquire } from './inquire.ts'
import { unseal } from './outcome.ts'
import { referenceOf } from './recover.ts'
import type { OperationRecord, StoredOutcome } from './record.ts'

/** How long a verification that does not know yet is left alone. */
const ASK_AGAIN_FACTOR = 4

/**
 * One verification of an accepted operation (T20): promotes it to committed, or to a doubt for a person when the
 * downstream says that it did not happen after all. "Not known yet", or nothing to ask with, leaves it accepted until its
 * retention is over: from then on it is a doubt as well, as it could never be seen or settled otherwise. It never runs
 * again.
 * @param known the tool's contract; undefined where no such tool is registered here
 */
export async function verifyOnce(
  core: Core,
  known: Contract | undefined,
  record: OperationRecord,
  now: number,
): Promise<void> {
  const contract = known?.major === record.major ? known : undefined
  const verify = contract?.verify
  const overdue = now >= record.firstSendAt + Math.max(record.retentionMs, record.retryHorizonMs)
  if (verify === undefined && !overdue) return
  const nonce = core.ids.nonce()
  const who = core.processes.self
  const pauseMs = Math.max(core.settings.sweepMs * ASK_AGAIN_FACTOR, core.settings.recoveryBackoffMs)
  const taken = await core.journal.apply(
    record.key,
    record.tenant,
    { record, now },
    {
      type: 'verify',
      nonce,
      who,
      // Until it has been told: who took over from one that still asks would make its answer count for nothing.
      leaseMs: (contract?.timeoutMs ?? 0) + pauseMs,
    },
  )
  if (!taken.applied || taken.record === undefined) return
  const { fence } = taken.record
  const tell = async (happened: boolean, why?: string): Promise<void> => {
    const verified = { type: 'verified', fence, nonce, who, happened, ...(why === undefined ? {} : { why }) } as const
    tellNewDoubt(core, await core.journal.apply(record.key, record.tenant, taken, verified))
  }
  if (contract === undefined || verify === undefined)
    return await tell(false, 'it was not confirmed in time, and nothing is left to ask')
  const outcome = await unseal(record.outcome as StoredOutcome, record, core.journal)
  // Nothing is left to ask with, so it would stay "accepted" for ever: a person has to look.
  if (!outcome.found) return await tell(false, outcome.why)
  const { value } = outcome
  let happened: unknown
  try {
    happened = await inquire(core, contract, record, { background: true }, (signal) =>
      verify(value, {
        key: record.key,
        attempt: record.attempts,
        signal,
        run: referenceOf(record),
        downstreamKey: (provider, operation) =>
          downstreamKey({
            key: record.key,
            provider,
            operation,
            generation: record.generation,
          }),
      }),
    )
  } catch {
    // It could not be asked: not known yet.
  }
  if (typeof happened === 'boolean') await tell(happened)
  else if (overdue) await tell(false, 'it was not confirmed in time')
  else
    await core.journal.apply(record.key, record.tenant, taken, {
      type: 'heartbeat',
      fence,
      nonce,
      who,
      leaseMs: pauseMs,
    })
}
