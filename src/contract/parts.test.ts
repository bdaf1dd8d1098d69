import { describe, expect, it } from 'vitest'
import { refusalBy } from '../../test/vectors/attempt.ts'
import { OnefoldError } from '../error/index.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { isFieldPath, omit, overlap, valueAt } from './fields.ts'
import { nearest } from './nearest.ts'
import { parseInput } from './parse-input.ts'
import { composite, idempotent, keyed, manual, probe, transactional } from './recovery.ts'
import { jsonSchemaOf, misspelt } from './schema-fields.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'

describe('fields', () => {
  it('paths name something, step by step', () => {
    for (const path of ['a', 'a.b', 'é']) expect(isFieldPath(path)).toBe(true)
    for (const path of ['', '.', 'a.', '.a', 'a..b', '\ud800', 5, null]) expect(isFieldPath(path)).toBe(false)
  })

  it('overlap where one leads through the other', () => {
    expect(overlap('a', 'a')).toBe(true)
    expect(overlap('a', 'a.b')).toBe(true)
    expect(overlap('a.b', 'a')).toBe(true)
    expect(overlap('a', 'ab')).toBe(false)
    expect(overlap('ab', 'a')).toBe(false)
    expect(overlap('a.b', 'a.c')).toBe(false)
  })

  it('values are own data, never length, never what an accessor answers', () => {
    const value = Object.create({ inherited: 1 }, { own: { value: { deep: [7] } }, got: { get: () => 1 } }) as object
    expect(valueAt(value, 'own.deep.0')).toBe(7)
    expect(valueAt(value, 'own.deep.length')).toBeUndefined()
    expect(valueAt({ length: 3 }, 'length')).toBe(3)
    for (const path of ['inherited', 'got', 'own.no.more', 'own.deep.0.x']) expect(valueAt(value, path)).toBeUndefined()
    for (const none of [null, undefined, 5, 'text']) expect(valueAt(none, 'length')).toBeUndefined()
  })

  it('omit copies only what it must', () => {
    const input = { a: { b: 1, c: 2 }, d: [1] }
    expect(omit(input, ['a.b'])).toEqual({ a: { c: 2 }, d: [1] })
    expect(input).toEqual({ a: { b: 1, c: 2 }, d: [1] })
    expect(omit(input, [])).toBe(input)
    for (const path of ['x', 'a.x.y', 'd.0', 'a.b.c']) expect(omit(input, [path])).toEqual(input)
    expect(omit(input, ['x'])).toBe(input)
    expect(omit([1], ['0'])).toEqual([1])
    for (const value of [null, 5, new Date(0)]) expect(omit(value, ['a'])).toBe(value)
    class Odd {
      a = 1
    }
    const odd = new Odd()
    expect(omit(odd, ['a'])).toBe(odd)
    const symbols = { a: 1, [Symbol('s')]: 1 }
    expect(omit(symbols, ['a'])).toBe(symbols)
    const bare = Object.assign(Object.create(null) as object, { a: 1, b: 2 })
    expect(omit(bare, ['a'])).toEqual({ b: 2 })
    const own = JSON.parse('{"__proto__":1,"a":2}') as object
    expect(Object.keys(omit(own, ['a']) as object)).toEqual(['__proto__'])
    expect(JSON.stringify(omit(own, ['__proto__']))).toBe('{"a":2}')
    let got = 0
    const accessor = Object.defineProperty({ a: 1 } as Record<string, unknown>, 'g', {
      get: () => (got += 1),
      enumerable: true,
    })
    const copy = omit(accessor, ['a']) as object
    expect(got).toBe(0)
    expect(Object.getOwnPropertyDescriptor(copy, 'g')).toMatchObject({
      get: expect.any(Function) as unknown,
      configurable: true,
    })
    expect(omit(accessor, ['g'])).toEqual({ a: 1 })
    expect(got).toBe(0)
    const behind = Object.defineProperty({ b: 1 } as Record<string, unknown>, 'a', {
      get: () => (got += 1),
      enumerable: true,
    })
    expect(Object.keys(omit(behind, ['a.x']) as object)).toEqual(['b', 'a'])
    expect(got).toBe(0)
  })
})

describe('words', () => {
  it('the nearest, by edit distance', () => {
    expect(nearest('retentoin', ['retention', 'retryHorizon'])).toBe('retention')
    expect(nearest('IDENTITY', ['identity'])).toBe('identity')
    expect(nearest('ab', ['cd'])).toBeUndefined()
    expect(nearest('a', ['abc'])).toBe('abc')
    expect(nearest('abc', ['abcde'])).toBe('abcde')
    expect(nearest('abc', ['abcdef'])).toBeUndefined()
    expect(nearest('abcdefghi', ['abcdefxyz'])).toBe('abcdefxyz')
    expect(nearest('abcdefgh', ['abcdexyz'])).toBeUndefined()
    expect(nearest('abcd', ['abce', 'abcf'])).toBe('abce')
    expect(nearest('abcx', ['abyy', 'abcy'])).toBe('abcy')
    expect(nearest('kitten', ['sitting'])).toBeUndefined()
    expect(nearest('kitten', ['sittin'])).toBe('sittin')
    expect(nearest('', ['ab'])).toBeUndefined()
    expect(nearest('x'.repeat(40), [`${'x'.repeat(39)}y`])).toBeDefined()
    expect(nearest('x'.repeat(41), [`${'x'.repeat(40)}y`])).toBeUndefined()
    expect(nearest('abc', [])).toBeUndefined()
  })

  it.each([
    ['1ms', 1],
    ['0s', 0],
    ['1.5s', 1500],
    ['0.001s', 1],
    ['90m', 5_400_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['123456789012345ms', 123_456_789_012_345],
  ])('the duration %s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    ['5 min', "'5m'"],
    ['2 weeks', "'14d'"],
    ['1.5 hours', "'1.5h'"],
    ['10', "'10ms' or '10s'"],
    ['10 MSEC', "'10ms'"],
    ['3 parsecs', "'3h'"],
    ['3toString', "'3h'"],
    ['abc', "'24h'"],
    ['', "'24h'"],
    ['1.', "'24h'"],
    ['.5s', "'24h'"],
    ['-5s', "'24h'"],
    ['0.0001s', "'0.0001s'"],
    [' 5s', "'5s'"],
    ['1234567890123456ms', "'1234567890123456ms'"],
    [250, "'250ms'"],
    [0, "'0ms'"],
    [-1, "'24h'"],
    [1.5, "'24h'"],
    [null, "'24h'"],
    ['5S', "'5s'"],
    ['5/s', "'5h'"],
    ['5:s', "'5h'"],
  ])('%j is no duration: %s', (text, meant) => {
    const error = refusalBy(() => parseDuration(text as string, 'it'))
    expect(error.code).toBe('CONTRACT_INVALID')
    expect(error.message).toContain(`as ${meant}.`)
    expect(error.message).toMatch(/^it cannot be /)
    expect(refusalBy(() => parseDuration(text as string)).message).toMatch(/^a duration cannot be /)
  })

  it('says what it was given, shortened', () => {
    expect(refusalBy(() => parseDuration('x'.repeat(50))).message).toContain(`'${'x'.repeat(40)}':`)
    expect(refusalBy(() => parseDuration(7 as never)).message).toContain('cannot be 7:')
    expect(refusalBy(() => parseDuration({} as never)).message).toContain('cannot be object:')
  })

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_500, '1500ms'],
    [60_000, '1m'],
    [90_000, '90s'],
    [3_600_000, '1h'],
    [5_400_000, '90m'],
    [86_400_000, '24h'],
    [172_800_000, '2d'],
    [90_000_000, '25h'],
  ])('%d ms is written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

describe('schemas', () => {
  const object = { properties: { customer: { properties: { id: {}, note: {} } }, other: {} } }

  it('name a field that they certainly do not have', () => {
    expect(misspelt(object, 'customer.id')).toBeUndefined()
    expect(misspelt(object, 'customer.idd')).toEqual({ nearest: 'customer.id' })
    expect(misspelt(object, 'custommer.id')).toEqual({ nearest: 'customer' })
    expect(misspelt(object, 'zzzzzzzz')).toEqual({ nearest: undefined })
    expect(misspelt(object, 'toString')).toEqual({ nearest: undefined })
    expect(misspelt({ ...object, additionalProperties: false }, 'othr')).toEqual({ nearest: 'other' })
  })

  it('and say nothing where they may have it', () => {
    for (const word of [
      'patternProperties',
      '$ref',
      '$dynamicRef',
      'allOf',
      'anyOf',
      'oneOf',
      'if',
      'dependentSchemas',
      'not',
    ])
      expect(misspelt({ ...object, [word]: {} }, 'othr')).toBeUndefined()
    for (const extra of [true, {}]) expect(misspelt({ ...object, additionalProperties: extra }, 'othr')).toBeUndefined()
    for (const schema of [undefined, null, 5, [], {}, { properties: [] }, { properties: null }])
      expect(misspelt(schema, 'othr')).toBeUndefined()
    expect(misspelt(object, 'other.deeper')).toBeUndefined()
  })

  it('tell their JSON Schema where they can', () => {
    const source = {
      output(this: unknown, options: unknown) {
        return [this === source, options]
      },
    }
    expect(jsonSchemaOf({ jsonSchema: source })).toEqual([true, { target: 'draft-2020-12' }])
    for (const standard of [
      {},
      { jsonSchema: null },
      { jsonSchema: {} },
      { jsonSchema: [] },
      { jsonSchema: { output: 1 } },
    ])
      expect(jsonSchemaOf(standard)).toBeUndefined()
    expect(
      jsonSchemaOf({
        jsonSchema: {
          output: () => {
            throw new Error('no')
          },
        },
      }),
    ).toBeUndefined()
  })

  it('refuse with the paths of what is wrong, at most five in words', async () => {
    const schema = (validate: (value: unknown) => unknown) =>
      ({ '~standard': { version: 1, vendor: 't', validate } }) as unknown as StandardSchemaV1
    const issues = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ message: `m${i}`, path: ['a', i, { key: 'b' }] }))
    const five = refusalBy(() =>
      parseInput(
        't',
        schema(() => ({ issues: issues(5) })),
        1,
      ),
    )
    expect(five.message).toContain('$.a[4].b: m4. Nothing')
    expect(five.message).not.toContain('more')
    const seven = refusalBy(() =>
      parseInput(
        't',
        schema(() => ({ issues: issues(7) })),
        1,
      ),
    )
    expect(seven.message).toContain('$.a[0].b: m0; $.a[1].b: m1')
    expect(seven.message).toContain('m4; and 2 more')
    expect(seven.message).not.toContain('m5')
    expect(seven.details).toEqual({
      contract: 't',
      path: '$.a[0].b',
      paths: Array.from({ length: 7 }, (_, i) => `$.a[${i}].b`),
    })
    expect(
      refusalBy(() =>
        parseInput(
          't',
          schema(() => ({ issues: [] })),
          1,
        ),
      ).details,
    ).toEqual({
      contract: 't',
      path: '$',
      paths: [],
    })
    expect(
      refusalBy(() =>
        parseInput(
          't',
          schema(() => ({ issues: [{ message: 'm' }] })),
          1,
        ),
      ).details['path'],
    ).toBe('$')
    const cause = new Error('x')
    const throws = (error: unknown) => () => {
      throw error
    }
    const about = { code: 'INPUT_INVALID', cause, details: { contract: 't', path: '$' } }
    expect(refusalBy(() => parseInput('t', schema(throws(cause)), 1))).toMatchObject(about)
    await expect(
      parseInput(
        't',
        schema(() => Promise.reject(cause)),
        1,
      ),
    ).rejects.toMatchObject(about)
    const own = new OnefoldError('KEY_INVALID', 'x')
    expect(refusalBy(() => parseInput('t', schema(throws(own)), 1))).toBe(own)
    await expect(
      parseInput(
        't',
        schema(async () => ({ issues: issues(1) })),
        1,
      ),
    ).rejects.toMatchObject({
      details: { path: '$.a[0].b' },
    })
    expect(
      await parseInput(
        't',
        schema(async () => ({ value: 5 })),
        1,
      ),
    ).toBe(5)
    expect(
      parseInput(
        't',
        schema(() => ({ value: undefined })),
        1,
      ),
    ).toBeUndefined()
  })
})

it('recoveries are frozen and say what is wrong', () => {
  for (const recovery of [
    keyed('1h'),
    keyed('1h', { probe: () => ({ found: false }) }),
    probe(() => ({ found: false }), { settle: '0s' }),
    transactional(),
    idempotent({ precondition: (): boolean => true }),
    manual(),
    composite(),
  ])
    expect(Object.isFrozen(recovery)).toBe(true)
  expect(keyed('1h')).toEqual({ class: 'keyed', windowMs: 3_600_000, settleMs: 0 })
  expect(keyed('1h', {} as never)).toEqual({ class: 'keyed', windowMs: 3_600_000, settleMs: 0 })
  const ask = () => ({ found: false }) as const
  expect(keyed('1h', { probe: ask, settle: '1s' })).toEqual({
    class: 'keyed',
    windowMs: 3_600_000,
    settleMs: 1_000,
    probe: ask,
  })
  for (const [action, text] of [
    [() => keyed('0s'), 'cannot be 0'],
    [() => keyed('x' as never), 'the window of keyed()'],
    [() => keyed('1h', { probe: 1 as never }), 'probe of keyed() must be a function'],
    [() => keyed('1h', { probe: ask, settle: 'x' as never }), 'settle of keyed()'],
    [() => probe(1 as never, { settle: '1s' }), 'the first argument of probe() must be a function'],
    [() => probe(ask, undefined as never), 'probe() needs settle'],
    [() => probe(ask, {} as never), 'probe() needs settle'],
    [() => probe(ask, { settle: 'x' as never }), 'settle of probe()'],
    [() => idempotent(undefined as never), 'precondition of idempotent()'],
    [() => idempotent({} as never), 'precondition of idempotent()'],
  ] as const) {
    const error = refusalBy(action)
    expect(error.code).toBe('CONTRACT_INVALID')
    expect(error.message).toContain(text)
  }
})
