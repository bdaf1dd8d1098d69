import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isOperationKey, keyFromBytes } from '../../key/index.ts'
import { keyFromColumn, keyToColumn } from './key-column.ts'

const digestKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(keyFromBytes)
const anyText = fc.string({ unit: 'binary', maxLength: 80 })
const loneSurrogates = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units))
const anyKey = fc.oneof(digestKey, anyText, loneSurrogates)

describe('key column', () => {
  it('has the 32 bytes of an operation key', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, n) => n)
    expect(keyToColumn(keyFromBytes(bytes))).toEqual(bytes)
  })

  it('takes for an operation key what the room `key` takes for one', () => {
    const nearly = fc.stringMatching(/^of1_[A-Za-z0-9_-]{42,44}$/)
    fc.assert(
      fc.property(fc.oneof(digestKey, nearly, anyText), (key) => {
        expect(keyToColumn(key).length === 32).toBe(isOperationKey(key))
      }),
    )
  })

  it('gives every key back', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(keyFromColumn(keyToColumn(key))).toBe(key)
      }),
    )
  })

  it('is 32 bytes long for operation keys only', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, loneSurrogates), (key) => {
        expect(keyToColumn(`x${key}`).length).not.toBe(32)
      }),
    )
  })

  it('tells 31 ASCII characters, which would be 32 bytes with their tag, from those with one more', () => {
    const columns = ['a'.repeat(31), `${'a'.repeat(31)}\u00ff`, 'a'.repeat(32), 'a'.repeat(30)].map((key) =>
      Buffer.from(keyToColumn(key)).toString('hex'),
    )
    expect(new Set(columns).size).toBe(4)
  })
})
