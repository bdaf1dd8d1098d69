import { createHash } from 'node:crypto'
import { number, text } from './client.ts'
import type { Context } from './context.ts'
import { getPieces, putPieces } from './large.ts'
import { numberOf } from './client.ts'

export interface Blobs {
  put(sha256: string, bytes: Uint8Array): Promise<void>
  get(sha256: string): Promise<Uint8Array | undefined>
}

const HEAD = text('blob')
/** A blob's partition cannot be an operation's: those are hashes of a JSON list. */
const partitionOf = (sha256: string): Uint8Array => createHash('sha256').update(`blob ${sha256}`).digest()

/** Content-addressed bytes, in pieces that fit into items; the head is written last, so what is found is whole. */
export function createBlobs(context: Context): Blobs {
  const { client, table } = context
  return {
    put: (sha256, bytes) =>
      context.step('write a blob', async (options) => {
        const partition = partitionOf(sha256)
        const own = Uint8Array.from(bytes)
        const { pieces } = await putPieces(context, partition, own, options, 'blob')
        await client.putItem({ TableName: table, Item: { p: { B: partition }, s: HEAD, c: number(pieces) } }, options)
      }),
    get: (sha256) =>
      context.step('read a blob', async (options) => {
        const partition = partitionOf(sha256)
        const { Item } = await client.getItem(
          { TableName: table, Key: { p: { B: partition }, s: HEAD }, ConsistentRead: true },
          options,
        )
        if (Item === undefined) return undefined
        const bytes = await getPieces(context, partition, { name: 'blob', pieces: numberOf(Item['c']) }, options)
        return bytes === undefined ? undefined : Uint8Array.from(bytes)
      }),
  }
}
