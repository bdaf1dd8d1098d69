import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { descriptorBeside, keyBeside } from './beside.ts'
import { at, type Core } from './core.ts'
import { ticketOf, type Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import type { Reading } from './store.ts'

/**
 * Near-duplicates (`near`): the newest operation with equal named fields leaves a note in the ledger, a claim that lasts
 * for the window. Another operation that meets it is held for confirmation, neither run nor collapsed by guess; one that
 * may run leaves its own note instead.
 * @throws OnefoldError HELD
 */
export async function holdNear(
  core: Core,
  op: Operation,
  near: NonNullable<Contract['near']>,
  confirm: string | undefined,
): Promise<void> {
  const name = `near:${op.contract.name}`
  const key = keyBeside(op, name, near.fields, core.naming.keySecret)
  const who = core.processes.self
  await at(core, 'before-claim', key)
  let reading: Reading = await core.journal.read(key, op.tenant)
  // The newest note counts; where there is none yet, it may have been left under an older secret.
  if (!isLive(reading))
    for (const secret of core.naming.previousSecrets) {
      const older = await core.journal.read(keyBeside(op, name, near.fields, secret), op.tenant)
      if (isLive(older)) await assertFree(core, op, near, confirm, older.record as OperationRecord)
    }
  for (;;) {
    const left = await core.journal.apply(key, op.tenant, reading, {
      type: 'claim',
      who,
      nonce: op.key,
      leaseMs: near.withinMs,
      descriptor: descriptorBeside(op, name),
      input: op.key,
      mark: false,
    })
    if (left.applied) return
    // An absent record takes the claim: one that refused it is there.
    const note = left.record as OperationRecord
    await assertFree(core, op, near, confirm, note)
    const { fence, nonce } = note
    reading = await core.journal.apply(key, op.tenant, left, { type: 'withdraw', fence, nonce, who })
  }
}

const isLive = ({ record, now }: Reading): boolean => record?.state === 'claimed' && now < record.leaseUntil

/** @throws OnefoldError HELD unless the note is this operation's, was confirmed, or is of one that came to nothing */
async function assertFree(
  core: Core,
  op: Operation,
  near: NonNullable<Contract['near']>,
  confirm: string | undefined,
  // A note's nonce is the key of its operation.
  { nonce: earlier, updatedAt }: OperationRecord,
): Promise<void> {
  const ticket = ticketOf(earlier)
  if (earlier === op.key || confirm === ticket || op.older.some(({ key }) => key === earlier)) return
  if (await cameToNothing(core, op.tenant, earlier, updatedAt)) return
  throw new OnefoldError(
    'HELD',
    `${op.contract.name} looks like an operation that was made a moment ago (same ${near.fields.join(', ')}). No effect started. If both are wanted, repeat this call with confirm: '${ticket}'.`,
    { effect: 'none', key: op.key, ticket, details: { fields: near.fields, earlier } },
  )
}

/** Whether the operation that left a note had no effect, and is not about to have one. */
async function cameToNothing(core: Core, tenant: string, key: string, notedAt: number): Promise<boolean> {
  const { record, now } = await core.journal.read(key, tenant)
  if (record !== undefined && record.state !== 'released' && record.state !== 'rejected') return false
  // Between its note and its claim an operation may wait for its turn; after that it never began.
  const begins = record === undefined || notedAt > record.updatedAt
  return !begins || now >= notedAt + core.settings.waitMs + core.settings.leaseMs
}
