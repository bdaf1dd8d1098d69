import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from './canonicalize.ts'
import { differingFields } from './differing-fields.ts'

describe('differingFields', () => {
  const cases: readonly (readonly [unknown, unknown, readonly string[]])[] = [
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, []],
    [{ a: 1 }, { a: 2 }, ['a']],
    [{ amountCents: 1, reason: 'x' }, { amountCents: 2, reason: 'y' }, ['amountCents', 'reason']],
    [{ customer: { id: 1, name: 'x' } }, { customer: { id: 2, name: 'x' } }, ['customer.id']],
    [{ items: [{ sku: 'a' }, { sku: 'b' }] }, { items: [{ sku: 'a' }, { sku: 'c' }] }, ['items.1.sku']],
    [{ items: [1] }, { items: [1, 2] }, ['items']],
    [{ a: null }, {}, ['a']],
    [{ a: undefined }, {}, []],
    [{ a: {} }, { a: [] }, ['a']],
    [{ a: 2n, b: -0 }, { a: 2, b: 0 }, []],
    [{ a: 9007199254740993n }, { a: 9007199254740992n }, ['a']],
    [{ a: '1' }, { a: 1 }, ['a']],
    [{ a: '1' }, { a: 1n }, ['a']],
    [{}, { toString: 1 }, ['toString']],
    ['x', 'y', ['$']],
    [{}, null, ['$']],
  ]
  it.each(cases)('%o and %o', (a, b, names) => {
    expect(differingFields(a, b)).toEqual(names)
    expect(differingFields(b, a)).toEqual(names)
  })

  it('names ten fields at most', () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, i]))
    expect(differingFields(many, {})).toHaveLength(10)
  })

  it('is empty exactly where the canonical forms are equal', () => {
    const value = fc.jsonValue({ maxDepth: 3 }).filter((item) => isCanonical(item))
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(differingFields(a, b).length === 0).toBe(canonicalize(a) === canonicalize(b))
        expect(differingFields(a, structuredClone(a))).toEqual([])
      }),
    )
  })
})

function isCanonical(value: unknown): boolean {
  try {
    canonicalize(value)
    return true
  } catch {
    return false
  }
}
