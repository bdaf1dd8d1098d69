import { describe, expect, it } from 'vitest'
import { anything, contractOf } from '../../test/mutation/bench.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { OnefoldError } from '../error/index.ts'
import { defineContract, type AnyToolOptions } from './index.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { isFieldPath, omit, overlap, valueAt } from './fields.ts'
import { nearest } from './nearest.ts'
import { parseInput } from './parse-input.ts'
import { composite, idempotent, keyed, manual, probe, transactional } from './recovery.ts'
import { jsonSchemaOf, misspelt } from './schema-fields.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'

const refusal = (action: () => unknown): OnefoldError => {
  const error = thrownBy(action)
  if (error instanceof OnefoldError) return error
  throw new Error('nothing was refused')
}
const problem = (options: object): unknown => refusal(() => contractOf(options)).details['problem']
const fix = (options: object): unknown => refusal(() => contractOf(options)).details['fix']
const fits = (options: object): boolean => thrownBy(() => contractOf(options)) === undefined

describe('options at their limits', () => {
  it('names of 1 to 128 visible characters', () => {
    for (const name of ['x', 'x'.repeat(128), '!', '~']) expect(fits({ name })).toBe(true)
    for (const name of ['', 'x'.repeat(129), ' ', '\u007f', 'é', 5, ['x']])
      expect(problem({ name })).toContain('name must')
    expect(refusal(() => contractOf({ name: '' })).details['contract']).toBe('(no name)')
    expect(refusal(() => contractOf({ name: 5 })).details['contract']).toBe('(no name)')
    expect(refusal(() => contractOf({ name: 'x'.repeat(129) })).details['contract']).toHaveLength(64)
  })

  it.each([
    ['compensation', 'compensate'],
    ['handler', 'execute'],
    ['idempotencyKey', 'callerKey'],
    ['inputSchema', 'input'],
    ['key', 'identity'],
    ['lock', 'exclusive'],
    ['parameters', 'input'],
    ['run', 'execute'],
    ['schema', 'input'],
    ['ttl', 'retention'],
    ['undo', 'compensate'],
    ['toString', undefined],
  ])('the word %s means %s here', (word, meant) => {
    const text = fix({ [word]: 1 })
    if (meant === undefined) expect(text).toContain('The options are name, description, input')
    else expect(text).toBe(`Did you mean ${meant}?`)
    expect(fits({ [word]: undefined })).toBe(true)
  })

  it('every option of a write is known', () => {
    const all = {
      description: 'd',
      version: 2,
      replaysFrom: [1],
      supersedes: [{ version: 1, identity: (): number => 1 }],
      ignore: [],
      scope: 'run',
      retention: '2h',
      retryHorizon: '1h',
      prepare: () => undefined,
      verify: () => true,
      compensate: () => undefined,
      errors: [
        { match: 1, effect: 'done' },
        { match: 'x', effect: 'none' },
        { match: () => true, effect: 'unknown' },
      ],
      timeout: '1s',
      sends: 'unchecked',
      exclusive: ['a'],
      near: { fields: ['a'], within: '1m', then: 'hold' },
      callerKey: 'ignored',
      notice: 'model',
      occurrenceField: 'nth',
      amount: 'cents',
    }
    expect(fits(all)).toBe(true)
    for (const word of Object.keys(all)) {
      if (word === 'description') continue
      const error = refusal(() =>
        contractOf({
          effect: 'read',
          identity: undefined,
          recovery: undefined,
          [word]: (all as Record<string, unknown>)[word],
        }),
      )
      expect(error.details['problem']).toBe(`a read is not ledgered, so ${word} has no meaning`)
    }
  })

  it.each([
    [{ effect: 5 }, 'effect cannot be number'],
    [{ effect: 'x'.repeat(50) }, `effect cannot be '${'x'.repeat(40)}'`],
    [{ scope: true }, 'scope cannot be boolean'],
    [{ ignore: 'note' }, 'ignore must be a list of input fields'],
    [{ ignore: ['a', 'a'] }, 'ignore names a field twice'],
    [{ exclusive: [] }, 'exclusive must be a list of input fields'],
    [{ exclusive: 'a' }, 'exclusive must be a list of input fields'],
    [{ amount: 5 }, 'amount has an entry that is no field name'],
    [{ occurrenceField: '' }, 'occurrenceField has an entry that is no field name'],
    [{ identity: 5 }, 'identity must be a list of input fields'],
    [{ identity: 'x'.repeat(50) }, `identity cannot be '${'x'.repeat(40)}'`],
    [
      { identity: undefined, callerKey: 'trusted' },
      'a write needs identity: which input fields make two calls the same operation',
    ],
    [{ recovery: null }, 'recovery is of no known class'],
    [{ recovery: [] }, 'recovery is of no known class'],
    [{ recovery: { class: 'keyed', windowMs: 0, settleMs: 0 } }, 'keyed recovery has no window'],
    [{ recovery: { class: 'keyed', windowMs: 0.5, settleMs: 0 } }, 'keyed recovery has no window'],
    [{ recovery: { class: 'keyed', windowMs: 1 } }, 'keyed recovery has no settle time'],
    [{ recovery: { class: 'keyed', windowMs: 1, settleMs: -1 } }, 'keyed recovery has no settle time'],
    [{ recovery: { class: 'keyed', windowMs: 1, settleMs: 0, probe: 1 } }, 'the probe of recovery is no function'],
    [{ recovery: { class: 'probe', settleMs: -1, probe: (): number => 1 } }, 'probe recovery has no settle time'],
    [{ recovery: { class: 'probe', settleMs: 0, probe: 1 } }, 'the probe of recovery is no function'],
    [{ recovery: { class: 'idempotent', precondition: 1 } }, 'idempotent recovery has no precondition'],
    [{ recovery: () => 1 }, 'recovery must be what one of the recovery functions returns'],
    [{ version: 1.5 }, 'version must be a whole number from 1'],
    [{ version: '2' }, 'version must be a whole number from 1'],
    [{ replaysFrom: 1, version: 2 }, 'replaysFrom must list versions below 2'],
    [{ replaysFrom: [1, 3], version: 3 }, 'replaysFrom must list versions below 3'],
    [{ replaysFrom: ['1'], version: 3 }, 'replaysFrom must list versions below 3'],
    [{ supersedes: [null], version: 2 }, 'supersedes must list versions below 2, each with its identity'],
    [
      { supersedes: [{ version: 2, identity: (): number => 1 }], version: 2 },
      'supersedes must list versions below 2, each with its identity',
    ],
    [
      { supersedes: [{ version: '1', identity: (): number => 1 }], version: 2 },
      'supersedes must list versions below 2, each with its identity',
    ],
    [
      { supersedes: [{ version: 1, identity: 'a' }], version: 2 },
      'supersedes must list versions below 2, each with its identity',
    ],
    [{ errors: 'x' }, 'errors must be a list'],
    [{ errors: [null] }, 'an entry of errors has no match'],
    [{ errors: [{ match: true, effect: 'none' }] }, 'an entry of errors has no match'],
    [{ errors: [{ match: 'x' }] }, "effect in errors must be 'none' | 'done' | 'unknown'"],
    [{ near: 5 }, 'near must be an object'],
    [{ near: [] }, 'near must be an object'],
    [{ near: null }, 'near must be an object'],
    [{ near: { fields: [], within: '1m', then: 'hold' } }, 'near.fields must be a list of input fields'],
    [{ near: { fields: ['a'], within: '0s', then: 'hold' } }, 'near.within cannot be 0'],
    [{ verify: 1 }, 'verify must be a function'],
    [
      { verify: () => true, recovery: { class: 'transactional' } },
      'a transactional tool has done its effect when it has committed, so verify has no meaning',
    ],
    [{ compensate: 'x' }, 'compensate must be a function'],
    [{ input: null }, 'input is no Standard Schema'],
    [{ input: 5 }, 'input is no Standard Schema'],
    [{ input: { '~standard': null } }, 'input is no Standard Schema'],
    [{ input: { '~standard': { version: 2, validate: () => 1 } } }, 'input is no Standard Schema'],
    [{ input: { '~standard': { version: 1, validate: 1 } } }, 'input is no Standard Schema'],
    [{ input: { '~standard': 'x' } }, 'input is no Standard Schema'],
  ])('%j: %s', (options, text) => {
    expect(problem(options)).toBe(text)
  })

  it.each([
    { identity: undefined, callerKey: 'required' },
    { identity: 'all' },
    { identity: 'sequence' },
    { identity: (): number => 1 },
    { recovery: { class: 'keyed', windowMs: 1, settleMs: 0 } },
    { recovery: { class: 'keyed', windowMs: 1, settleMs: 0, probe: (): number => 1 } },
    { recovery: { class: 'probe', settleMs: 0, probe: (): number => 1 } },
    { recovery: composite() },
    { recovery: transactional() },
    { input: Object.assign(() => 1, anything) },
    { version: 3, replaysFrom: [1, 2] },
    { ignore: ['b'], occurrenceField: 'c' },
    { description: undefined, errors: undefined, near: undefined, scope: undefined },
  ])('%j is taken', (options) => {
    expect(thrownBy(() => contractOf(options))).toBeUndefined()
  })

  it.each([
    [{ recovery: 'manul' }, 'Call it: recovery: manual(…), imported from onefold'],
    [{ recovery: 'zzzzzzzzz' }, expect.stringContaining('keyed(') as string],
    [{ identity: 'sequenc' }, "Did you mean 'sequence'?"],
    [{ scope: 'zzzzzzz' }, "Write scope: 'tenant' | 'session' | 'run' | 'parent'"],
    [{ effect: 5 }, "Write effect: 'read' | 'write'"],
    [{ timeout: '0s' }, "Write timeout: '1m'"],
    [{ near: { fields: ['a'], within: '0s', then: 'hold' } }, "Write near.within: '10m'"],
  ])('%j is put right by: %s', (options, text) => {
    expect(fix(options)).toEqual(text)
  })
})

describe('a contract', () => {
  const input = { ref: 'a', nested: { x: 1, y: 2 }, list: [1], nth: 2, cents: 5 }

  it('is described whole', () => {
    expect(
      contractOf({ effect: 'read', identity: undefined, recovery: undefined, description: 'd' }).describe(),
    ).toEqual({
      name: 'place_order',
      version: 1,
      effect: 'read',
      description: 'd',
    })
    const common = {
      name: 'place_order',
      version: 1,
      effect: 'write',
      identity: ['ref'],
      scope: 'tenant',
      retentionMs: 86_400_000,
      retryHorizonMs: 86_400_000,
      recovery: { class: 'manual' },
      callerKey: 'ignored',
      compensated: false,
      verified: false,
      timeoutMs: 60_000,
    }
    expect(contractOf().describe()).toEqual(common)
    const full = contractOf({
      ignore: ['note'],
      exclusive: ['ref'],
      near: { fields: ['cents'], within: '1m', then: 'hold' },
      occurrenceField: 'nth',
      amount: 'cents',
      compensate: () => undefined,
      verify: () => true,
      recovery: keyed('1h'),
    })
    expect(full.describe()).toEqual({
      ...common,
      ignore: ['note'],
      exclusive: ['ref'],
      near: { fields: ['cents'], withinMs: 60_000 },
      occurrenceField: 'nth',
      amount: 'cents',
      compensated: true,
      verified: true,
      recovery: { class: 'keyed', windowMs: 3_600_000, settleMs: 0, probe: false },
    })
    const none = (): { found: false } => ({ found: false })
    const recoveries: readonly (readonly [unknown, object])[] = [
      [
        keyed('1h', { probe: none, settle: '1s' }),
        { class: 'keyed', windowMs: 3_600_000, settleMs: 1_000, probe: true },
      ],
      [probe(none, { settle: '2s' }), { class: 'probe', settleMs: 2_000, probe: true }],
      [idempotent({ precondition: (): boolean => true }), { class: 'idempotent' }],
      [composite(), { class: 'composite' }],
    ]
    for (const [recovery, description] of recoveries)
      expect(contractOf({ recovery }).describe().recovery).toEqual(description)
    const identities: readonly (readonly [unknown, string])[] = [
      ['all', 'all'],
      ['sequence', 'sequence'],
      [(): number => 1, 'function'],
    ]
    for (const [identity, description] of identities)
      expect(contractOf({ identity }).describe().identity).toBe(description)
    expect(contractOf({ callerKey: 'required' }).describe().identity).toBe('caller-key')
    expect(contractOf({ callerKey: 'required', identity: undefined }).describe().identity).toBe('caller-key')
  })

  it('identifies by its list, its function or the whole', () => {
    expect(contractOf({ identity: ['nested.x', 'ref'] }).identityOf(input)).toEqual({ 'nested.x': 1, ref: 'a' })
    expect(contractOf({ identity: () => null }).identityOf(input)).toBeNull()
    expect(
      contractOf({ identity: 'all', ignore: ['nested.x', 'list'], occurrenceField: 'nth' }).identityOf(input),
    ).toEqual({
      ref: 'a',
      nested: { y: 2 },
      cents: 5,
    })
    expect(contractOf({ identity: undefined, callerKey: 'required' }).identityOf(input)).toBe(input)
    expect(contractOf({ identity: 'sequence' }).identityOf(input)).toBeUndefined()
    expect(contractOf({ effect: 'read', identity: undefined, recovery: undefined }).identityOf(input)).toBeUndefined()
    const missing = refusal(() => contractOf({ identity: ['no', 'none'] }).identityOf(input))
    expect(missing).toMatchObject({ code: 'INPUT_INVALID', details: { contract: 'place_order', path: '$.no' } })
    expect(missing.message).toContain('no, none')
  })

  it('an identity function must answer, at once', async () => {
    const cause = new Error('x')
    const throws = (error: unknown) => () => {
      throw error
    }
    expect(refusal(() => contractOf({ identity: throws(cause) }).identityOf(input))).toMatchObject({
      code: 'INPUT_INVALID',
      cause,
      details: { contract: 'place_order', path: '$' },
    })
    const own = new OnefoldError('KEY_INVALID', 'mine')
    expect(refusal(() => contractOf({ identity: throws(own) }).identityOf(input))).toBe(own)
    expect(refusal(() => contractOf({ identity: () => undefined }).identityOf(input)).code).toBe('INPUT_INVALID')
    expect(refusal(() => contractOf({ identity: () => Promise.reject(cause) }).identityOf(input)).code).toBe(
      'CONTRACT_INVALID',
    )
    expect(contractOf({ identity: () => ({ then: 1 }) }).identityOf(input)).toEqual({ then: 1 })
    await Promise.resolve()
  })

  it('superseded identities, newest first', () => {
    const supersedes = [1, 3, 2].map((version) => ({ version, identity: () => `v${version}` }))
    expect(contractOf({ version: 4, supersedes }).supersededIdentitiesOf(input)).toEqual([
      { major: 3, identity: 'v3' },
      { major: 2, identity: 'v2' },
      { major: 1, identity: 'v1' },
    ])
  })

  it('amounts, occurrences and picks', () => {
    const contract = contractOf({ amount: 'cents', occurrenceField: 'nth' })
    expect(contract.amountOf(input)).toBe(5)
    for (const cents of ['5', Infinity, NaN, null]) expect(contract.amountOf({ cents })).toBeUndefined()
    expect(contractOf().amountOf(input)).toBeUndefined()
    expect(contract.occurrenceOf(input)).toBe(2)
    expect(contract.occurrenceOf({ nth: 1 })).toBe(1)
    for (const nth of [undefined, null]) expect(contract.occurrenceOf({ nth })).toBeUndefined()
    for (const nth of [0, 1.5, '1', true])
      expect(refusal(() => contract.occurrenceOf({ nth }))).toMatchObject({
        code: 'INPUT_INVALID',
        details: { contract: 'place_order', path: '$.nth' },
      })
    expect(contractOf().occurrenceOf(input)).toBeUndefined()
    expect(contract.pick(input, ['ref', 'nested.y', 'no'])).toEqual(['a', 2, null])
  })

  it('horizons and times come from the guard where the contract is silent', () => {
    const define = (options: object, defaults: object) =>
      defineContract({ ...base, ...options } as unknown as AnyToolOptions, defaults)
    const base = { name: 'x', input: anything, effect: 'write', identity: 'all', recovery: manual(), execute: () => 1 }
    expect(define({}, { retentionMs: 172_800_000 })).toMatchObject({
      retentionMs: 172_800_000,
      retryHorizonMs: 86_400_000,
    })
    expect(define({ retention: '1h', retryHorizon: '1h' }, {})).toMatchObject({
      retentionMs: 3_600_000,
      retryHorizonMs: 3_600_000,
    })
    expect(define({ timeout: '5s' }, { timeoutMs: 9 }).timeoutMs).toBe(5_000)
    expect(define({ scope: 'run' }, { scope: 'session' }).scope).toBe('run')
    const read = defineContract({ name: 'x', input: anything, effect: 'read', execute: () => 1 } as never, {
      retentionMs: 5,
      retryHorizonMs: 6,
    })
    expect(read).toMatchObject({ retentionMs: 5, retryHorizonMs: 6, recovery: { class: 'manual' } })
    expect(Object.isFrozen(contractOf({ near: { fields: ['a'], within: '1m', then: 'hold' } }).near?.fields)).toBe(true)
    for (const list of ['replaysFrom', 'errors', 'exclusive'] as const)
      expect(Object.isFrozen(contractOf({ exclusive: ['a'] })[list])).toBe(true)
  })
})

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
    const error = refusal(() => parseDuration(text as string, 'it'))
    expect(error.code).toBe('CONTRACT_INVALID')
    expect(error.message).toContain(`as ${meant}.`)
    expect(error.message).toMatch(/^it cannot be /)
    expect(refusal(() => parseDuration(text as string)).message).toMatch(/^a duration cannot be /)
  })

  it('says what it was given, shortened', () => {
    expect(refusal(() => parseDuration('x'.repeat(50))).message).toContain(`'${'x'.repeat(40)}':`)
    expect(refusal(() => parseDuration(7 as never)).message).toContain('cannot be 7:')
    expect(refusal(() => parseDuration({} as never)).message).toContain('cannot be object:')
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
    const five = refusal(() =>
      parseInput(
        't',
        schema(() => ({ issues: issues(5) })),
        1,
      ),
    )
    expect(five.message).toContain('$.a[4].b: m4. Nothing')
    expect(five.message).not.toContain('more')
    const seven = refusal(() =>
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
      refusal(() =>
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
      refusal(() =>
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
    expect(refusal(() => parseInput('t', schema(throws(cause)), 1))).toMatchObject(about)
    await expect(
      parseInput(
        't',
        schema(() => Promise.reject(cause)),
        1,
      ),
    ).rejects.toMatchObject(about)
    const own = new OnefoldError('KEY_INVALID', 'x')
    expect(refusal(() => parseInput('t', schema(throws(own)), 1))).toBe(own)
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
    const error = refusal(action)
    expect(error.code).toBe('CONTRACT_INVALID')
    expect(error.message).toContain(text)
  }
})
