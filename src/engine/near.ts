import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { descriptorBeside, keyBeside } from './beside.ts'
import { at, type Core } from './core.ts'
import { ticketOf, type Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'

/**
 * Near-duplicates (`near`): the newest operation with equal named fields leaves a note in the ledger, a claim that lasts
 * for the window. Another operation that meets it is held for confirmation, neither run nor collapsed by guess.
 * @throws OnefoldError HELD
 */
export async function holdNear(
  core: Core,
  op: Operation,
  near: NonNullable<Contract['near']>,
  confirm: string | undefined,
): Promise<void> {
  const name = `near:${op.contract.name}`
  const key = keyBeside(core, op, name, near.fields)
  await at(core, 'before-claim', key)
  const reading = await core.journal.read(key, op.tenant)
  const noted = await core.journal.apply(key, op.tenant, reading, {
    type: 'claim',
    who: core.processes.self,
    nonce: op.key,
    leaseMs: near.withinMs,
    descriptor: descriptorBeside(op, name),
    input: op.key,
    mark: false,
  })
  if (noted.applied || noted.record === undefined || noted.record.nonce === op.key) return
  const earlier = await core.journal.read(noted.record.nonce, op.tenant)
  if (earlier.record === undefined || hadNoEffect(earlier.record)) return
  const ticket = ticketOf(noted.record.nonce)
  if (confirm === ticket) return
  throw new OnefoldError(
    'HELD',
    `${op.contract.name} looks like an operation that was made a moment ago (same ${near.fields.join(', ')}). No effect started. If both are wanted, repeat this call with confirm: '${ticket}'.`,
    { effect: 'none', key: op.key, ticket, details: { fields: near.fields, earlier: noted.record.nonce } },
  )
}

const hadNoEffect = (record: OperationRecord): boolean => record.state === 'released' || record.state === 'rejected'
