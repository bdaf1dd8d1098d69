import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { Core } from './core.ts'
import type { Performer, PerformOptions } from './engine.ts'
import type { Outcome } from './told.ts'
import { keepNewest } from './newest.ts'
import { standing } from './older.ts'
import { ticketOf, type Operation } from './operation.ts'
import { OPEN_STATES, type OperationRecord } from './record.ts'

/** What becomes of an identical call of an undeclared tool (protocol.md section 8). */
export interface UndeclaredPolicy {
  /** After the earlier answer was delivered: new work, a replay, or held for confirmation. @default 'run' */
  readonly afterDelivery: 'run' | 'replay' | 'hold'
  /** After the tool answered an error: hold it as in doubt, or let the repeat run. @default 'hold' */
  readonly afterError: 'hold' | 'run'
}

export interface UndeclaredPerformer {
  /** Like `perform`, for a tool without a contract of its own; `contract` says what its identity is (all arguments). */
  perform(contract: Contract, input: unknown, policy: UndeclaredPolicy, options?: PerformOptions): Promise<Outcome>
  /** Records evidence that the caller went on with the answer. */
  deliver(key: string, tenant: string, who: string): Promise<void>
}

/** What this process has seen of one identity. It saves the walk, which finds the same in the ledger. */
interface Known {
  newest: number
  /** The occurrence of each call, by the framework's name of it. */
  readonly calls: Map<string, number>
}
const KEPT = 10_000
const KEPT_CALLS = 1_000

/**
 * Delivery-aware guarding: an identical call is a retry unless there is evidence that the earlier answer arrived.
 * Repeats after that are further occurrences of the same identity, found by walking up from the last one known.
 * A call that comes again under the framework's name of it (an approval that was posted twice, a step that was resumed)
 * is that call, whatever was delivered.
 */
export function createUndeclared(core: Core, performer: Performer): UndeclaredPerformer {
  const byKey = new Map<string, Known>()

  async function perform(
    contract: Contract,
    input: unknown,
    policy: UndeclaredPolicy,
    options: PerformOptions = {},
  ): Promise<Outcome> {
    const first = performer.name(contract, input, { ...options, occurrence: 1 })
    const { callId } = options
    const known = recall(first.key)
    let occurrence = (callId === undefined ? undefined : known.calls.get(callId)) ?? known.newest
    for (;;) {
      const named = (nth: number): Operation => performer.name(contract, input, { ...options, occurrence: nth })
      const op = named(occurrence)
      // Also what an older secret named: it is an earlier call like any other.
      const record = await recordOf(op)
      if (record?.call !== undefined) keepNewest(known.calls, record.call, occurrence, KEPT_CALLS)
      const settled = record !== undefined && wasInDoubt(record) && (callId === undefined || record.call !== callId)
      // While it was in doubt after an error the call may have been made once more: the newest one is repeated.
      const isPast = settled && (await recordOf(named(occurrence + 1))) !== undefined
      const next = record === undefined ? 'this' : isPast ? 'next' : decideRepeat(record, policy, callId)
      if (next === 'hold') throw held(op.key, contract)
      if (next === 'this') {
        known.newest = Math.max(known.newest, occurrence)
        if (callId !== undefined) keepNewest(known.calls, callId, occurrence, KEPT_CALLS)
        if (record === undefined && occurrence > 1) {
          core.emitter.emit('suspected-repeat', {
            key: op.key,
            tenant: op.tenant,
            tool: contract.name,
            run: op.descriptor.run,
            occurrence,
          })
        }
        return await performer.perform(contract, input, { ...options, occurrence })
      }
      occurrence += 1
    }
  }

  const recordOf = async (op: Operation): Promise<OperationRecord | undefined> =>
    (await standing(core, op)).reading.record

  function recall(key: string): Known {
    const found = byKey.get(key) ?? { newest: 1, calls: new Map<string, number>() }
    keepNewest(byKey, key, found, KEPT)
    return found
  }

  async function deliver(key: string, tenant: string, who: string): Promise<void> {
    const reading = await core.journal.read(key, tenant)
    await core.journal.apply(key, tenant, reading, { type: 'deliver', who })
  }

  return { perform, deliver }
}

/** `this`: the call belongs to this occurrence; `next`: it is new work; `hold`: a person or the application decides. */
function decideRepeat(
  record: OperationRecord,
  policy: UndeclaredPolicy,
  callId: string | undefined,
): 'this' | 'next' | 'hold' {
  if (record.state === 'in-doubt' && record.reason === 'answered-error')
    return policy.afterError === 'run' ? 'next' : 'this'
  if (callId !== undefined && record.call === callId) return 'this'
  if (record.state === 'expired') return 'next'
  if (!record.delivered || record.state !== 'committed') return 'this'
  if (policy.afterDelivery === 'replay') return 'this'
  return policy.afterDelivery === 'run' ? 'next' : 'hold'
}

const wasInDoubt = ({ state, doubtAt }: OperationRecord): boolean => doubtAt > 0 && !OPEN_STATES.includes(state)

const held = (key: string, contract: Contract): OnefoldError =>
  new OnefoldError(
    'HELD',
    `${contract.name} was already called with the same arguments and its answer was delivered. No effect started; declare the tool's identity, or ask for a further occurrence.`,
    { effect: 'none', key, ticket: ticketOf(key) },
  )
