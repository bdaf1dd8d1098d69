import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, refusalBy, thrownBy } from '../../test/vectors/attempt.ts'
import { underMutation } from '../../test/mutation/under-mutation.ts'
import { readVectors } from '../../test/vectors/read.ts'
import type { OnefoldError } from '../error/index.ts'
import { canonicalize } from './canonicalize.ts'
import { canonicalizeJson } from './canonicalize-json.ts'
import { formatNumber } from './number.ts'
import { parseJson } from './parse-json.ts'

function refusal(value: unknown, limits?: Parameters<typeof canonicalize>[1]): OnefoldError {
  return refusalBy(() => canonicalize(value, limits))
}

function doubleOf(hex: string): number {
  return Buffer.from(hex, 'hex').readDoubleBE()
}

describe('RFC 8785', () => {
  it.each(readVectors<{ name: string; json: string; canonical: string }>('canonical').vectors)(
    '$name',
    ({ json, canonical }) => {
      expect(canonicalizeJson(json)).toBe(canonical)
      expect(canonicalizeJson(new TextEncoder().encode(json))).toBe(canonical)
      expect(canonicalizeJson(canonical)).toBe(canonical)
    },
  )

  it.each(readVectors<{ ieee754: string; text: string | null }>('numbers').vectors)(
    'number $ieee754',
    ({ ieee754, text }) => {
      const value = doubleOf(ieee754)
      expect(codeOf(thrownBy(() => formatNumber(value)))).toBe(text === null ? 'INPUT_INVALID' : undefined)
      expect(text === null ? null : formatNumber(value)).toBe(text)
    },
  )
})

class Money {
  readonly cents = 5
}

describe('canonicalize refuses', () => {
  const cycle: { self?: unknown } = {}
  cycle.self = [cycle]
  const holes: unknown[] = [1]
  holes[2] = 3
  const endless: unknown[] = []
  endless.length = 4e9
  const named = Object.assign([1, 2], { extra: true })
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['a lone surrogate', { items: [1, 2, 3, { sku: '\ud800' }] }, '$.items[3].sku'],
    ['a lone surrogate in a name', { a: { '\udfff': 1 } }, '$.a["\\udfff"]'],
    ['an unsafe integer', { id: 2 ** 53 }, '$.id'],
    ['a large double', [1e30], '$[0]'],
    ['NaN', [[Number.NaN]], '$[0][0]'],
    ['Infinity', { a: -Infinity }, '$.a'],
    ['undefined', undefined, '$'],
    ['undefined in an array', { a: [1, undefined] }, '$.a[1]'],
    ['a function', { f: () => 1 }, '$.f'],
    ['a symbol', [Symbol('s')], '$[0]'],
    ['a member named by a symbol', { a: { [Symbol('s')]: 1 } }, '$.a'],
    ['a Map', { a: new Map() }, '$.a'],
    ['a Set', new Set(), '$'],
    ['a Date', { due: new Date(0) }, '$.due'],
    ['a RegExp', /x/, '$'],
    ['bytes', { b: new Uint8Array(2) }, '$.b'],
    ['a promise', { p: Promise.resolve(1) }, '$.p'],
    ['a boxed string', [Object('x')], '$[0]'],
    ['a class instance', { price: new Money() }, '$.price'],
    ['an object with a prototype', Object.create({ a: 1 }), '$'],
    ['an array subclass', new (class List extends Array<number> {})(), '$'],
    ['an error', { e: new Error('x') }, '$.e'],
    ['a sparse array', { a: holes }, '$.a[1]'],
    ['a huge sparse array', endless, '$'],
    ['an array with a named property', { a: named }, '$.a'],
    ['a cycle', cycle, '$.self[0]'],
    ['an accessor', { a: Object.defineProperty({}, 'x', { get: () => 1, enumerable: true }) }, '$.a.x'],
    ['a proxy that cannot be read', { p: proxy }, '$.p'],
    ['toJSON', { toJSON: () => 1 }, '$.toJSON'],
    ['a bigint of many digits', 10n ** 5000n, '$'],
  ]
  it.each(cases)('%s', (_, value, path) => {
    const error = refusal(value)
    expect(error).toMatchObject({ code: 'INPUT_INVALID', effect: 'none', details: { path } })
    expect(error.message).toContain(path)
  })

  it('nesting beyond the limit', () => {
    const nest = (depth: number): unknown => (depth === 0 ? 1 : [nest(depth - 1)])
    expect(canonicalize(nest(64))).toHaveLength(129)
    expect(refusal(nest(65)).details['path']).toBe(`$${'[0]'.repeat(64)}`)
    expect(canonicalize(nest(65), { maxDepth: 65 })).toHaveLength(131)
  })

  it.skipIf(underMutation)('20,000 levels without running out of stack', () => {
    let value: unknown = 1
    for (let i = 0; i < 20_000; i += 1) value = { value }
    expect(refusal(value).code).toBe('INPUT_INVALID')
    expect(refusal(value, { maxDepth: 10_000 }).code).toBe('INPUT_INVALID')
    expect(canonicalize(value, { maxDepth: 20_000 })).toHaveLength(20_000 * 10 + 1)
  })

  it.skipIf(underMutation)('what is too large, also when it is small and shared', () => {
    expect(refusal('x'.repeat(9), { maxBytes: 10 }).code).toBe('INPUT_INVALID')
    expect(canonicalize('x'.repeat(8), { maxBytes: 10 })).toHaveLength(10)
    expect(refusal('éééé', { maxBytes: 9 }).code).toBe('INPUT_INVALID')
    let doubled: unknown = [1]
    for (let i = 0; i < 60; i += 1) doubled = [doubled, doubled]
    expect(refusal(doubled).code).toBe('INPUT_INVALID')
    const nothing = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`n${i}`, undefined]))
    expect(refusal(Array.from({ length: 2000 }, () => nothing)).code).toBe('INPUT_INVALID')
  })
})

describe('canonicalize writes', () => {
  it('undefined members as absent, bigints as digits, minus zero as zero', () => {
    expect(canonicalize({ a: undefined, b: 2n, c: -0 })).toBe('{"b":2,"c":0}')
    expect(canonicalize({ b: 2 })).toBe(canonicalize({ a: undefined, b: 2n }))
    expect(canonicalize({ id: 12345678901234567890n })).toBe('{"id":12345678901234567890}')
  })

  it('the same value twice, where it is no cycle', () => {
    const shared = { a: 1 }
    expect(canonicalize([shared, shared])).toBe('[{"a":1},{"a":1}]')
  })

  it('objects without a prototype and those of another realm', () => {
    expect(canonicalize(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}')
    expect(canonicalize(runInNewContext('({ a: [1, { b: 2 }] })'))).toBe('{"a":[1,{"b":2}]}')
    expect(refusal(runInNewContext('new Map()')).code).toBe('INPUT_INVALID')
  })

  it('what parseJson read', () => {
    expect(canonicalize(parseJson('{"__proto__":1,"id":18446744073709551615}'))).toBe(
      '{"__proto__":1,"id":18446744073709551615}',
    )
  })
})

const jsonValue = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' }).filter((value) => !hasUnsafe(value))

function hasUnsafe(value: unknown): boolean {
  if (typeof value === 'number') return Math.abs(value) > Number.MAX_SAFE_INTEGER
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafe)
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, item]) => [name, reversed(item)]),
  )
}

describe('canonicalize, for all values', () => {
  it('does not depend on the order of members', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(canonicalize(reversed(value))).toBe(canonicalize(value))
      }),
    )
  })

  it('loses nothing: parsing gives the value again, and writing that the same text', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = canonicalize(value)
        const back = parseJson(text)
        // JSON.stringify takes -0 for 0, as the canonical form does.
        expect(JSON.stringify(reversed(back))).toBe(JSON.stringify(reversed(JSON.parse(text))))
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalize(back)).toBe(text)
        expect(canonicalizeJson(text)).toBe(text)
      }),
    )
  })

  it('gives different texts for different values', () => {
    fc.assert(
      fc.property(jsonValue, jsonValue, (a, b) => {
        const equal = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
        expect(canonicalize(a) === canonicalize(b)).toBe(equal)
      }),
    )
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (a, b) => {
        expect(canonicalize(a) === canonicalize(b)).toBe(a === b)
      }),
    )
  })

  it('throws nothing but INPUT_INVALID', () => {
    const anything = fc.anything({
      maxDepth: 4,
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    fc.assert(
      fc.property(anything, (value) => {
        const error = thrownBy(() => canonicalize(value))
        expect(error === undefined || codeOf(error) === 'INPUT_INVALID').toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = value as Record<string, unknown>
  return Object.keys(members)
    .sort()
    .map((name) => [name, sorted(members[name])])
    .concat([['{}']])
}
