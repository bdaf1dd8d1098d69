import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyFromBytes } from '../../key/index.ts'
import { keyToColumn } from './key-column.ts'
import { digestRange, textRanges, type KeyRange } from './key-range.ts'

const within = (column: Uint8Array, range: KeyRange | undefined): boolean =>
  range !== undefined && Buffer.compare(column, range.low) >= 0 && Buffer.compare(column, range.high) < 0

/** Whether the ranges of a prefix take a key in, as the scan reads them. */
function found(key: string, prefix: string): boolean {
  const column = keyToColumn(key)
  if (column.length === 32) return within(column, digestRange(prefix))
  return textRanges(prefix).some((range) => within(column, range))
}

const key = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(keyFromBytes),
  fc.constantFrom(0, 255).map((byte) => keyFromBytes(new Uint8Array(32).fill(byte))),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.array(fc.integer({ min: 0xd7f0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
)

describe('key ranges', () => {
  it('take in every key that begins so', () => {
    fc.assert(
      fc.property(key, fc.nat(50), (whole, length) => {
        const prefix = whole.slice(0, length)
        // Half a pair begins no well-formed key in UTF-8; nobody types one.
        fc.pre(prefix.isWellFormed() || !whole.isWellFormed())
        expect(found(whole, prefix)).toBe(true)
      }),
    )
  })

  it('take in no other key', () => {
    fc.assert(
      fc.property(key, key, fc.nat(50), (whole, other, length) => {
        const prefix = other.slice(0, length)
        fc.pre(!whole.startsWith(prefix) && whole.isWellFormed() === other.isWellFormed())
        expect(found(whole, prefix)).toBe(false)
      }),
    )
  })

  it('end at the last digest', () => {
    const last = keyFromBytes(new Uint8Array(32).fill(255))
    expect(found(last, last)).toBe(true)
    expect(found(last, last.slice(0, 46))).toBe(true)
    expect(found(last, 'of1_')).toBe(true)
    expect(found(last, `${last}A`)).toBe(false)
  })
})
