import { createHash } from 'node:crypto'
import type { BlobOwner } from '../../engine/index.ts'
import { number, numberOf, text, type Attribute, type Item } from './client.ts'
import { queryAll, type Context, type StepOptions } from './context.ts'
import { getPieces, putPieces } from './large.ts'
import { keyOfRecord, partitionOf } from './record-item.ts'

export interface Blobs {
  put(owner: BlobOwner, sha256: string, bytes: Uint8Array): Promise<void>
  get(owner: BlobOwner, sha256: string): Promise<Uint8Array | undefined>
}

const nameOf = (sha256: string): string => `b:${sha256}`
/** Beside the record and its pieces, of which every name begins so; the head has no number behind it. */
const PREFIX = 'x#b:'
const headOf = (partition: Uint8Array, sha256: string): Item => ({ p: { B: partition }, s: text(PREFIX + sha256) })

/** Where an older version kept bytes, by content alone. It cannot be an operation's: those are hashes of a JSON list. */
const oldPartitionOf = (sha256: string): Uint8Array => createHash('sha256').update(`blob ${sha256}`).digest()

/** Bytes beside an operation, in pieces that fit into items; the head is written last, so what is found is whole. */
export function createBlobs(context: Context): Blobs {
  const { client, table } = context

  async function found(
    head: Item,
    partition: Uint8Array,
    name: string,
    options: StepOptions,
  ): Promise<Uint8Array | undefined> {
    const { Item } = await client.getItem({ TableName: table, Key: head, ConsistentRead: true }, options)
    if (Item === undefined) return undefined
    const bytes = await getPieces(context, partition, { name, pieces: numberOf(Item['c']) }, options)
    return bytes === undefined ? undefined : Uint8Array.from(bytes)
  }

  return {
    put: ({ key, tenant }, sha256, bytes) =>
      context.step('write a blob', async (options) => {
        const partition = partitionOf(key, tenant)
        const own = Uint8Array.from(bytes)
        const { pieces } = await putPieces(context, partition, own, options, nameOf(sha256))
        await client.putItem({ TableName: table, Item: { ...headOf(partition, sha256), c: number(pieces) } }, options)
        // A tombstone that is written from now on finds them; one that was written before is looked for here.
        const { Item } = await client.getItem(
          { TableName: table, Key: keyOfRecord(partition), ConsistentRead: true },
          options,
        )
        if (Item?.['t']?.S === 'expired') await dropBlobs(context, partition, options)
      }),
    get: ({ key, tenant }, sha256) =>
      context.step('read a blob', async (options) => {
        const partition = partitionOf(key, tenant)
        const own = await found(headOf(partition, sha256), partition, nameOf(sha256), options)
        if (own !== undefined) return own
        const old = oldPartitionOf(sha256)
        return await found({ p: { B: old }, s: text('blob') }, old, 'blob', options)
      }),
  }
}

const itemsOf = (context: Context, partition: Uint8Array, options: StepOptions): Promise<Item[]> =>
  queryAll(
    context,
    {
      KeyConditionExpression: 'p = :partition AND begins_with(s, :blobs)',
      ExpressionAttributeValues: { ':partition': { B: partition }, ':blobs': text(PREFIX) },
      ProjectionExpression: 'p, s',
      ConsistentRead: true,
    },
    options,
  )

/** True when anything lies beside the operation that its tombstone must not leave. */
export const hasBlobs = async (context: Context, partition: Uint8Array, options: StepOptions): Promise<boolean> =>
  (await itemsOf(context, partition, options)).length > 0

/** Once the record is a tombstone, or gone. */
export async function dropBlobs(context: Context, partition: Uint8Array, options: StepOptions): Promise<void> {
  for (const item of await itemsOf(context, partition, options)) {
    const key = { p: { B: partition }, s: item['s'] as Attribute }
    await context.client.deleteItem({ TableName: context.table, Key: key }, options)
  }
}
