import { randomUUID } from 'node:crypto'
import { numberOf, text, type Item } from './client.ts'
import type { Context, StepOptions } from './context.ts'

/** Items of at most 400 KB: texts above this lie in items beside the record. */
export const INLINE_BYTES: number = 96 * 1024
const PIECE_BYTES = 350 * 1024
/** Pieces that are written or read at once. */
const AT_ONCE = 8

/** A name under which pieces lie, and how many. */
export interface Reference {
  readonly name: string
  readonly pieces: number
}

const sortOf = (name: string, piece: number): string => `x#${name}#${String(piece).padStart(5, '0')}`

async function eachPiece(pieces: number, work: (piece: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < pieces) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, pieces) }, worker))
}

/** Writes bytes beside a record, durable before it resolves; nothing refers to them yet. */
export async function putPieces(
  context: Context,
  partition: Uint8Array,
  bytes: Uint8Array,
  options: StepOptions,
  name: string = randomUUID(),
): Promise<Reference> {
  const pieces = Math.ceil(bytes.byteLength / PIECE_BYTES)
  await eachPiece(pieces, (piece) =>
    context.client.putItem(
      {
        TableName: context.table,
        Item: {
          p: { B: partition },
          s: text(sortOf(name, piece)),
          b: { B: bytes.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES) },
        },
      },
      options,
    ),
  )
  return { name, pieces }
}

/** The bytes of a reference; undefined when a piece is gone, which happens when the record has just changed. */
export async function getPieces(
  context: Context,
  partition: Uint8Array,
  { name, pieces }: Reference,
  options: StepOptions,
): Promise<Uint8Array | undefined> {
  const found: (Uint8Array | undefined)[] = []
  await eachPiece(pieces, async (piece) => {
    const { Item } = await context.client.getItem(
      { TableName: context.table, Key: { p: { B: partition }, s: text(sortOf(name, piece)) }, ConsistentRead: true },
      options,
    )
    found[piece] = Item?.['b']?.B
  })
  const all = found.filter((one) => one !== undefined)
  return all.length === pieces ? Buffer.concat(all) : undefined
}

/** Best effort: what nobody refers to costs room, and no more. */
export async function dropPieces(
  context: Context,
  partition: Uint8Array,
  { name, pieces }: Reference,
  options: StepOptions,
): Promise<void> {
  await eachPiece(pieces, (piece) =>
    context.client.deleteItem(
      { TableName: context.table, Key: { p: { B: partition }, s: text(sortOf(name, piece)) } },
      options,
    ),
  )
}

export function referenceIn(item: Item, name: string): Reference | undefined {
  const at = item[`${name}x`]?.S
  return at === undefined ? undefined : { name: at, pieces: numberOf(item[`${name}n`]) }
}

/** The text that lies under `name` in an item, or where it refers to; `gone` when it has just been replaced. */
export async function textIn(
  context: Context,
  partition: Uint8Array,
  item: Item,
  name: string,
  options: StepOptions,
): Promise<{ readonly value: string | undefined; readonly gone: boolean }> {
  const reference = referenceIn(item, name)
  if (reference === undefined) return { value: item[name]?.S, gone: false }
  const bytes = await getPieces(context, partition, reference, options)
  return bytes === undefined ? { value: undefined, gone: true } : { value: Buffer.from(bytes).toString(), gone: false }
}
