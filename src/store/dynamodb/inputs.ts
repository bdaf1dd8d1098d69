import { createHash } from 'node:crypto'
import { text, type Item } from './client.ts'
import type { Context, StepOptions } from './context.ts'
import { number } from './client.ts'
import { INLINE_BYTES, putPieces, type Reference } from './large.ts'

/** Large inputs of records lately seen, so that later steps of the same operation need not write them again. */
const REMEMBERED = 1000

export interface Inputs {
  /**
   * A text of a record as attributes: `NAME` inline, or `NAMEx` and `NAMEn` for where its pieces lie. The pieces that the
   * record has at revision `expect` are used again for the same text.
   */
  attributes(
    partition: Uint8Array,
    name: string,
    value: string | undefined,
    expect: number,
    options: StepOptions,
  ): Promise<Item>
  /** At this revision the record's input lies there. Without `value`: the text of the last `attributes`. */
  remember(partition: Uint8Array, revision: number, value: string | undefined, at: Reference | undefined): void
}

interface Known {
  readonly revision: number
  readonly hash: string
  readonly at: Reference
}

const hashOf = (value: string): string => createHash('sha256').update(value).digest('base64')

export function createInputs(context: Context): Inputs {
  const known = new Map<string, Known>()
  const hashes = new Map<string, string>()

  return {
    async attributes(partition, name, value, expect, options) {
      if (value === undefined) return {}
      const bytes = Buffer.from(value)
      if (bytes.byteLength <= INLINE_BYTES) return { [name]: text(value) }
      const hash = hashOf(value)
      const before = known.get(Buffer.from(partition).toString('base64'))
      // Pieces are dropped only after a write has replaced them, so those of the expected revision are there if it is.
      const again = expect !== 0 && before?.revision === expect && before.hash === hash ? before.at : undefined
      const at = again ?? (await putPieces(context, partition, bytes, options))
      hashes.set(at.name, hash)
      if (hashes.size > REMEMBERED) hashes.delete(hashes.keys().next().value as string)
      return { [`${name}x`]: text(at.name), [`${name}n`]: number(at.pieces) }
    },
    remember(partition, revision, value, at) {
      const place = Buffer.from(partition).toString('base64')
      const hash = at === undefined ? undefined : value === undefined ? hashes.get(at.name) : hashOf(value)
      known.delete(place)
      if (at === undefined || hash === undefined) return
      known.set(place, { revision, hash, at })
      if (known.size > REMEMBERED) known.delete(known.keys().next().value as string)
    },
  }
}
