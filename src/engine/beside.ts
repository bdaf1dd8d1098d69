import { operationKey, type Secret } from '../key/index.ts'
import type { Operation } from './operation.ts'
import type { Descriptor } from './record.ts'

/*
 * A claim in the ledger beside an operation's own record, under a key of some of its fields, by which other operations
 * meet it: a turn, or the note of a near-duplicate. Its nonce is the operation's key.
 */

export const keyBeside = (op: Operation, name: string, fields: readonly string[], secret: Secret | undefined): string =>
  operationKey({
    contract: name,
    tenant: op.tenant,
    scope: 'tenant',
    scopeId: '',
    identity: op.contract.pick(op.input, fields),
    secret,
  })

export const descriptorBeside = (op: Operation, tool: string): Descriptor => ({
  ...op.descriptor,
  tool,
  recovery: 'manual',
  parent: undefined,
  amount: undefined,
})
