import type { Contract } from '../contract/index.ts'
import { downstreamKey } from '../key/index.ts'
import { tellNewDoubt, type Core } from './core.ts'
import { inquire } from './inquire.ts'
import { unseal } from './outcome.ts'
import type { OperationRecord, StoredOutcome } from './record.ts'

/** How long a verification that does not know yet is left alone. */
const ASK_AGAIN_FACTOR = 4

/**
 * One verification of an accepted operation (T20): promotes it to committed, or to a doubt for a person when the
 * downstream says that it did not happen after all. "Not known yet" leaves it accepted; it never runs again.
 */
export async function verifyOnce(core: Core, contract: Contract, record: OperationRecord, now: number): Promise<void> {
  if (contract.verify === undefined) return
  const nonce = core.ids.nonce()
  const who = core.processes.self
  const taken = await core.journal.apply(
    record.key,
    record.tenant,
    { record, now },
    {
      type: 'verify',
      nonce,
      who,
      leaseMs: Math.max(core.settings.sweepMs * ASK_AGAIN_FACTOR, core.settings.recoveryBackoffMs),
    },
  )
  if (!taken.applied || taken.record === undefined) return
  const outcome = await unseal(record.outcome as StoredOutcome, core.journal)
  if (!outcome.found) {
    // Nothing is left to ask with, so it would stay "accepted" for ever: a person has to look.
    const { fence } = taken.record
    const lost = { type: 'verified', fence, nonce, who, happened: false, why: outcome.why } as const
    const doubt = await core.journal.apply(record.key, record.tenant, taken, lost)
    tellNewDoubt(core, doubt)
    return
  }
  const { value } = outcome
  const verify = contract.verify
  let happened: unknown
  try {
    happened = await inquire(core, contract, record, { background: true }, (signal) =>
      verify(value, {
        key: record.key,
        attempt: record.attempts,
        signal,
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
  if (typeof happened !== 'boolean') return
  const verified = await core.journal.apply(record.key, record.tenant, taken, {
    type: 'verified',
    fence: taken.record.fence,
    nonce,
    who,
    happened,
  })
  tellNewDoubt(core, verified)
}
