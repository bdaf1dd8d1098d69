import type { ToolContext } from '../contract/index.ts'
import { isStoreUnavailable } from '../error/index.ts'
import { canonicalize } from '../key/index.ts'
import type { Operation } from './operation.ts'
import { contextOf, maySend, newAttempt, portOf, type LiveAttempt } from './attempt.ts'
import { cancelled, closed } from './answers.ts'
import { sleep } from './clock.ts'
import { at, inBackground, tellNewDoubt, type Core } from './core.ts'
import { executeMarked, timeoutError, withinDeadline, type Ended, type ExecuteOptions } from './execute.ts'
import { copyOf, freeze } from './frozen.ts'
import { executeInTransaction } from './transact.ts'
import type { OperationRecord } from './record.ts'
import type { Reading } from './store.ts'
import type { Abandoned } from './flight.ts'
import { withFrame } from './run.ts'

export interface ClaimOptions extends ExecuteOptions {
  /** Checked up to the marker: an abort before it starts nothing. */
  readonly signal: Readonly<Abandoned>
  /** Called in the moment the marker is durable. */
  readonly onMarked: (record: OperationRecord) => void
}

/** Somebody else has the record: it is looked at again. */
export const OVERTAKEN = { kind: 'overtaken' } as const

/** Whether a claim could be made on what was read. */
export function mayClaim({ record, now }: Reading): boolean {
  if (record === undefined || record.state === 'released' || record.state === 'rejected') return true
  return record.state === 'claimed' && now >= record.leaseUntil
}

/**
 * One attempt from claim to end: T1, T1', T4 or T18, the optional prepare phase, T2, the execution and what it came to.
 * `overtaken` tells that somebody else has the record; the caller looks again.
 * @throws OnefoldError STORE_UNAVAILABLE (no effect started), CANCELLED (no effect started)
 */
export async function claimAndExecute(core: Core, op: Operation, from: Reading, options: ClaimOptions): Promise<Ended> {
  if (core.closing) throw closed()
  const nonce = core.ids.nonce()
  const amnesiaAt = core.journal.amnesia()?.at ?? 0
  let attempt: LiveAttempt | undefined
  const work = claimAs(core, op, nonce, from, options, (begun) => {
    attempt = begun
    void core.claiming.take(slot)
  })
  const slot = core.claiming.add(work)
  try {
    return await work
  } catch (error) {
    // Whatever of the claim reached the store, nothing was sent under it: it must not be recovered into an effect later.
    if (attempt?.started !== true && isStoreUnavailable(error)) {
      inBackground(core, { ...op.descriptor, key: op.key }, takeBack(core, op, nonce, amnesiaAt))
    }
    throw error
  } finally {
    if (attempt === undefined) void core.claiming.take(slot)
  }
}

async function claimAs(
  core: Core,
  op: Operation,
  nonce: string,
  from: Reading,
  options: ClaimOptions,
  begin: (attempt: LiveAttempt) => void,
): Promise<Ended> {
  const { contract } = op
  const transactional = contract.recovery.class === 'transactional'
  const marked = contract.prepare === undefined && !transactional
  const startedAt = core.clock.bootMs()
  const amnesia = core.journal.amnesia()
  await at(core, 'before-claim', op.key)
  const claimed = await core.journal.apply(op.key, op.tenant, from, {
    type: 'claim',
    who: core.processes.self,
    nonce,
    leaseMs: core.settings.leaseMs,
    descriptor: op.descriptor,
    input: op.frozen,
    mark: marked,
    ...(amnesia === undefined ? {} : { amnesia, beyondAmnesia: isBeyondAmnesia(op, amnesia, from.now, options) }),
  })
  if (!claimed.applied || claimed.record === undefined || claimed.record.state === 'in-doubt') {
    tellNewDoubt(core, claimed)
    // What stood against the claim came out of that very step: a second look would be a round trip for nothing.
    return { ...OVERTAKEN, found: claimed }
  }
  const attempt = newAttempt(op, nonce, claimed.record, claimed.now, startedAt + core.settings.leaseMs, startedAt)
  const slot = core.live.add(attempt)
  try {
    await at(core, 'claimed', op.key)
    if (claimed.amnesiaAt !== (amnesia?.at ?? 0)) {
      // The store has lost records since we looked at its mark: "absent" was no evidence, so this is a doubt after all.
      await forgetEvidence(core, attempt)
      return OVERTAKEN
    }
    if (options.signal.aborted) {
      await stepBack(core, attempt)
      throw cancelled(contract.name, op.key, false)
    }
    // Also without a prepare phase a claim that was taken over (T4) still needs its marker.
    if (attempt.record.state === 'claimed') {
      const refusal = await prepare(core, attempt, options, claimed.amnesiaAt)
      if (refusal !== undefined) return refusal
    }
    begin(attempt)
    options.onMarked(attempt.record)
    if (transactional) return await executeInTransaction(core, attempt, options)
    const ended = await executeMarked(core, attempt, options)
    return ended.kind === 'overtaken' && attempt.started ? { ...ended, acted: attempt.record } : ended
  } finally {
    attempt.closed = true
    core.live.take(slot)
  }
}

/**
 * Ends a claim whose acknowledgement never came, once the store answers again: its caller was told that no effect started.
 * A late write may still arrive within the store's own patience, so a record that it could claim, or none, is looked at
 * until a lease is over.
 */
async function takeBack(core: Core, op: Operation, nonce: string, amnesiaAt: number): Promise<void> {
  const until = core.clock.bootMs() + core.settings.leaseMs
  const who = core.processes.self
  for (;;) {
    await sleep(core.clock, core.settings.sweepMs, undefined, true)
    if (core.closing) return
    try {
      const reading = await core.journal.read(op.key, op.tenant)
      const { record } = reading
      if (record?.nonce === nonce) {
        await core.journal.refreshEpoch()
        if ((core.journal.amnesia()?.at ?? 0) !== amnesiaAt)
          return await disown(core, op, nonce, { ...reading, record })
        const type = record.state === 'claimed' ? 'withdraw' : 'unsent'
        await core.journal.apply(op.key, op.tenant, reading, { type, fence: record.fence, nonce, who })
        return
      }
      if (!mayClaim(reading) || core.clock.bootMs() >= until) return
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error
    }
  }
}

/** T3 before the marker, T7 after it: nothing was sent. */
async function stepBack(core: Core, attempt: LiveAttempt): Promise<void> {
  attempt.closed = true
  const { op, record, nonce } = attempt
  const type = record.state === 'claimed' ? 'withdraw' : 'unsent'
  await core.journal.apply(op.key, op.tenant, attempt, { type, fence: record.fence, nonce, who: core.processes.self })
}

/**
 * Nothing was sent, but what the record was claimed on was no evidence: marker and claim become a doubt. A claim that was
 * left to lapse would look newer than a mark that another engine had set before it.
 */
async function forgetEvidence(core: Core, attempt: LiveAttempt): Promise<void> {
  attempt.closed = true
  await disown(core, attempt.op, attempt.nonce, attempt)
}

async function disown(
  core: Core,
  op: Operation,
  nonce: string,
  from: { readonly record: OperationRecord; readonly now: number },
): Promise<void> {
  const { record } = from
  const who = core.processes.self
  if (record.state === 'claimed') {
    const forgotten = { type: 'withdraw', fence: record.fence, nonce, who, forgotten: true } as const
    return tellNewDoubt(core, await core.journal.apply(op.key, op.tenant, from, forgotten))
  }
  const doubted = await core.journal.apply(op.key, op.tenant, from, {
    type: 'doubt',
    fence: record.fence,
    who: core.processes.self,
    reason: 'amnesia',
    evidence: 'the store lost records; this attempt sent nothing',
  })
  tellNewDoubt(core, doubted)
}

/** The prepare phase and T2. Undefined when the marker is durable, or will come with the effect. */
async function prepare(
  core: Core,
  attempt: LiveAttempt,
  options: ClaimOptions,
  amnesiaAt: number,
): Promise<Ended | undefined> {
  const { op } = attempt
  const port = portOf(attempt, core.clock, options.run, [])
  const context = contextOf(attempt, core.clock, options.run, core.makeFetch, port)
  try {
    // Frozen anew also where nothing is returned: `prepare` may have changed what it was given.
    const returned = await prepared(core, attempt, options, context)
    if (op.contract.prepare !== undefined) {
      const input = returned === undefined ? op.input : returned
      const canonical = canonicalize(input ?? null, { maxBytes: core.naming.maxInputBytes })
      attempt.op = { ...op, input: copyOf(input), frozen: freeze(input ?? null, canonical) }
    }
    if (options.signal.aborted) throw cancelled(op.contract.name, op.key, false)
  } catch (error) {
    await stepBack(core, attempt)
    if (options.signal.aborted) throw cancelled(op.contract.name, op.key, false)
    return { kind: 'none', record: attempt.record, error, retryable: false }
  }
  await at(core, 'prepared', op.key)
  // Its marker is written with its effect: until that commits, nothing has happened.
  if (op.contract.recovery.class === 'transactional') return undefined
  const beforeMark = core.clock.bootMs()
  if (!maySend(attempt, core.clock)) return OVERTAKEN
  const marked = await core.journal.apply(op.key, op.tenant, attempt, {
    type: 'mark',
    fence: attempt.record.fence,
    nonce: attempt.nonce,
    who: core.processes.self,
    leaseMs: core.settings.leaseMs,
    input: attempt.op.frozen,
  })
  if (!marked.applied || marked.record === undefined) return OVERTAKEN
  attempt.record = marked.record
  attempt.now = marked.now
  attempt.leaseOverAt = beforeMark + core.settings.leaseMs
  if (marked.amnesiaAt !== amnesiaAt) {
    // The loss became known between claim and marker: the claim was made on an absence that was no evidence.
    await forgetEvidence(core, attempt)
    return OVERTAKEN
  }
  return undefined
}

/** What `prepare` hands to `execute`, within the attempt's deadline: for ever, its lease would be renewed for nothing. */
async function prepared(
  core: Core,
  attempt: LiveAttempt,
  { run, frame }: ClaimOptions,
  context: ToolContext,
): Promise<unknown> {
  const { contract, input } = attempt.op
  if (contract.prepare === undefined) return undefined
  const work = async (): Promise<unknown> => await contract.prepare?.(input, context)
  const result = await withinDeadline(core, contract, withFrame(run, frame, work))
  if (result.kind === 'value') return result.value
  if (result.kind === 'error') throw result.error
  const late = timeoutError(contract.timeoutMs)
  attempt.controller.abort(late)
  throw late
}

/**
 * Whether "absent" still is evidence for this operation under the amnesia mark (protocol.md section 8): it was minted
 * after the loss, its retries have all ended, or its class can be applied again. A keyed tool is no exception: with the
 * record its generation was lost, and with that the downstream key under which it may have been done.
 */
function isBeyondAmnesia(op: Operation, mark: { readonly at: number }, now: number, options: ClaimOptions): boolean {
  const { recovery, retryHorizonMs } = op.contract
  // Only what is named within the run: an operation of the tenant may have been done for an earlier run.
  const within = op.contract.sequence || op.contract.scope === 'run'
  if (within && options.run?.mintedUnder === mark.at) return true
  if (now > mark.at + retryHorizonMs) return true
  return recovery.class === 'idempotent' || recovery.class === 'composite' || recovery.class === 'transactional'
}
