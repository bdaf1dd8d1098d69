import { isStoreUnavailable } from '../error/index.ts'
import { alarm, inBackground, type Core } from './core.ts'
import { sleep } from './clock.ts'
import type { LiveAttempt } from './attempt.ts'
import type { Applied } from './journal.ts'
import type { OperationRecord, StoredOutcome } from './record.ts'

/** Where a success now stands: in the ledger, or another success was first. Undefined: not in the ledger, or lost there. */
export type SuccessRecord =
  | { readonly kind: 'committed'; readonly record: OperationRecord }
  | { readonly kind: 'overtaken'; readonly record: OperationRecord }
  | undefined

/** How long an answer is kept whose operation the ledger does not know. */
const UNCLAIMED_MS = 31 * 86_400_000

type Origin = Pick<LiveAttempt, 'nonce' | 'record' | 'now'> & {
  readonly op: { readonly key: string; readonly tenant: string }
}

/**
 * Records that the effect happened. An unwritable ledger never loses it and never fails the caller: the answer
 * goes into the spool and is offered to the ledger until it takes it (protocol.md section 8).
 */
export async function recordSuccess(core: Core, attempt: Origin, outcome: StoredOutcome): Promise<SuccessRecord> {
  try {
    return await read(core, await commitOnce(core, attempt, outcome), attempt.record.fence, outcome)
  } catch (error) {
    if (!isStoreUnavailable(error)) throw error
  }
  const { record } = attempt
  if (core.spool !== undefined) {
    try {
      await core.spool.append({
        key: record.key,
        tenant: record.tenant,
        fence: record.fence,
        nonce: attempt.nonce,
        outcome,
        at: core.clock.wallMs(),
        who: core.processes.self,
      })
      core.emitter.emit('spooled', { key: record.key, tenant: record.tenant, tool: record.tool, run: record.run })
    } catch {
      // Neither ledger nor spool: the answer is still true, and this process goes on offering it.
      alarm(core, record, 'an answer could be kept neither in the ledger nor in the spool')
    }
  }
  inBackground(core, record, untilRecorded(core, attempt, outcome))
  return undefined
}

function commitOnce(core: Core, attempt: Origin, outcome: StoredOutcome): Promise<Applied> {
  return core.journal.apply(attempt.op.key, attempt.op.tenant, attempt, {
    type: 'commit',
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    outcome,
  })
}

async function read(core: Core, result: Applied, fence: number, outcome: StoredOutcome): Promise<SuccessRecord> {
  const { record } = result
  if (record === undefined) return undefined
  if (result.applied) {
    if (result.alarm !== undefined) alarm(core, record, result.alarm)
    return { kind: 'committed', record }
  }
  if (record.state !== 'committed') alarm(core, record, `a success met a record that is ${record.state}`)
  else if (await isSecond(core, record, fence)) alarm(core, record, TWICE)
  // Its acknowledgement was lost, and somebody noted something since.
  else if (record.outcome?.sha256 === outcome.sha256) return { kind: 'committed', record }
  return { kind: 'overtaken', record }
}

const TWICE = 'an attempt that counted as not done has acted after all, and so has the one that was begun in its place'

/**
 * Whether what is committed was begun as new work after the attempt of `fence`, under another key of the downstream. A
 * re-send of the same one is none, nor is what a probe or a person found of it.
 */
async function isSecond(
  core: Core,
  { key, tenant, generation, recovery }: OperationRecord,
  fence: number,
): Promise<boolean> {
  if (generation === 0 || recovery === 'idempotent' || recovery === 'composite') return false
  const history = await core.journal.withDeadline(core.journal.store.history(key, tenant))
  return history.some((event) => (event.from === 'released' || event.from === 'rejected') && event.fence > fence)
}

async function untilRecorded(core: Core, attempt: Origin, outcome: StoredOutcome): Promise<void> {
  while (!core.closing) {
    await sleep(core.clock, core.settings.sweepMs)
    try {
      await read(core, await commitOnce(core, attempt, outcome), attempt.record.fence, outcome)
      return
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error
    }
  }
}

/** Offers everything that an earlier life of this process, or a dead neighbour, left in the spool (T15). */
export async function drainSpool(core: Core): Promise<number> {
  if (core.spool === undefined) return 0
  return await core.spool.drain(async (entry) => {
    const { key, tenant, fence, nonce, outcome } = entry
    const who = core.processes.self
    const command = { type: 'commit', fence, nonce, who, why: `spool of ${entry.who}`, outcome } as const
    const reading = await core.journal.read(key, tenant)
    // Another ledger's, or one that this ledger has lost, of which nothing else tells any more. What retention has forgotten
    // has no record either, so none is kept for ever.
    if (reading.record === undefined) return core.clock.wallMs() - entry.at > UNCLAIMED_MS
    await read(core, await core.journal.apply(key, tenant, reading, command), fence, outcome)
    return true
  })
}
