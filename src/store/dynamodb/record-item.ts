import { createHash } from 'node:crypto'
import { OPEN_STATES, STATES, unknownState, type OperationRecord } from '../../engine/index.ts'
import { numberOf, text, type Attribute, type Item } from './client.ts'
import { SHARDS } from './table.ts'

/** Sort key of a record's own item; beside it lie its notes (`n…`) and what is too large for one item (`x…`). */
export const RECORD: Attribute = text('r')

/** Partition of one operation: tenant and key may hold any text, of any length. */
export function partitionOf(key: string, tenant: string): Uint8Array {
  // JSON keeps lone surrogates apart, which UTF-8 does not, and its quotes keep tenant and key apart.
  return createHash('sha256')
    .update(JSON.stringify([tenant, key]))
    .digest()
}

export const keyOfRecord = (partition: Uint8Array): Item => ({ p: { B: partition }, s: RECORD })

/** The fields that have attributes of their own, or texts of their own beside the body. */
type Apart = 'revision' | 'leaseUntil' | 'input'

/** The texts of a record that may be too large for its item. */
export interface Texts {
  readonly body: string
  readonly input: string | undefined
}

export function textsOf(record: OperationRecord): Texts {
  const { revision: _revision, leaseUntil: _lease, input, ...body } = record
  return { body: JSON.stringify(body), input: input === undefined ? undefined : JSON.stringify(input) }
}

/** Attributes by which indexes and listings find a record; absent where the sparse index must not have it. */
export function placeOf(record: OperationRecord, partition: Uint8Array): Item {
  const shard = text(String((partition[0] ?? 0) % SHARDS))
  return {
    t: text(record.state),
    y: text(JSON.stringify(record.tenant)),
    k: text(JSON.stringify(record.key)),
    tl: text(JSON.stringify(record.tool)),
    ...(record.run === undefined ? {} : { rn: text(JSON.stringify(record.run)) }),
    a: shard,
    ...(OPEN_STATES.includes(record.state) ? { o: shard } : {}),
  }
}

const EMPTY: Omit<OperationRecord, keyof OperationRecord> & Partial<Record<keyof OperationRecord, undefined>> = {
  run: undefined,
  session: undefined,
  call: undefined,
  parent: undefined,
  amount: undefined,
  quarantineMs: undefined,
  outcome: undefined,
  error: undefined,
  reason: undefined,
  closedBy: undefined,
}

/** @throws OnefoldError STORE_UNSAFE for a state that this version does not know */
export function recordOf(item: Item, texts: Texts): OperationRecord {
  const body = JSON.parse(texts.body) as Omit<OperationRecord, Apart>
  if (!STATES.includes(body.state)) throw unknownState(body.key, String(body.state))
  return {
    ...EMPTY,
    ...body,
    revision: numberOf(item['v']),
    leaseUntil: numberOf(item['l']),
    input: texts.input === undefined ? undefined : (JSON.parse(texts.input) as string),
  }
}
