import { expect, it } from 'vitest'
import { canonicalize } from '../key/index.ts'
import { freeze, thaw } from './frozen.ts'

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

it('its text is the canonical form wherever that tells all', () => {
  for (const input of [{ b: 1, a: [2n ** 60n] }, { '!': 1, $of: 'bigint' }, '{"$of":"bigint"}'])
    expect(frozen(input)).toBe(canonicalize(input))
  expect(frozen({ b: 1n, a: 1 })).toBe('{"b":{"$of":"bigint","v":"1"},"a":1}')
})
