import { expect, it } from 'vitest'
import { canonicalize } from '../key/index.ts'
import { copyOf, freeze, thaw } from './frozen.ts'

const frozen = (input: unknown): string => freeze(input, canonicalize(input))

it.each([
  null,
  'text {"$of":"bigint"}',
  { a: 1, b: [true, { c: 2n ** 60n }], d: 'x' },
  { cents: 5n },
  [{ deep: [-5n, 2n ** 60n, 5] }],
  0n,
  BigInt(Number.MAX_SAFE_INTEGER),
  { $of: 'bigint', v: '5' },
  { first: 1, $of: 'bigint' },
  { a: { $of: 'date' }, b: 1n },
])('an input is thawed as it was: %o', (input) => {
  expect(thaw(frozen(input))).toStrictEqual(input)
})

it('members are thawed in the order in which they were given, so that a re-send has the same bytes', () => {
  for (const input of [{ b: 1, a: { d: 'x', c: -0.5 } }, [{ z: undefined, y: [null], x: 'é' }], { b: 1n, a: 1 }])
    expect(Object.keys(thaw(frozen(input)) as object)).toEqual(Object.keys(input))
  expect(frozen({ b: 1, a: { d: 2, c: 3 } })).toBe('{"b":1,"a":{"d":2,"c":3}}')
  expect(frozen({ b: 1n, a: 1 })).toBe('{"b":{"$of":"bigint","v":"1"},"a":1}')
  expect(thaw(frozen({ $of: 'date', '!': 1 }))).toEqual({ $of: 'date', '!': 1 })
  expect(frozen({ b: 1, a: [2n ** 60n] })).toBe('{"a":[1152921504606846976],"b":1}')
})

it('what a program has put on built-in prototypes changes nothing', () => {
  const patched = [Array.prototype, BigInt.prototype] as { toJSON?: unknown }[]
  try {
    for (const prototype of patched) prototype.toJSON = () => 1
    expect(frozen({ b: ['x'], a: 1 })).toBe('{"a":1,"b":["x"]}')
    expect(thaw(frozen({ id: 2n ** 60n }))).toEqual({ id: 2n ** 60n })
  } finally {
    for (const prototype of patched) delete prototype.toJSON
  }
})

it('a copy equals its original and shares nothing with it', () => {
  const input = JSON.parse('{"a":[{"b":1}],"__proto__":{"x":1},"toString":"t"}') as { a: { b: number }[] }
  const copy = copyOf({ ...input, gone: undefined }) as typeof input
  expect(copy).toStrictEqual({ ...input, gone: undefined })
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
  const [first] = input.a
  if (first !== undefined) first.b = 2
  expect(copy.a).toEqual([{ b: 1 }])
  expect(Object.getPrototypeOf(copyOf(Object.create(null)))).toBeNull()
})
