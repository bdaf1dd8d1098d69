import { describe, expect, it } from 'vitest'
import { anything, contractOf } from '../../test/mutation/bench.ts'
import { refusalBy, thrownBy } from '../../test/vectors/attempt.ts'
import { OnefoldError } from '../error/index.ts'
import { defineContract, type AnyToolOptions } from './index.ts'
import { composite, idempotent, keyed, manual, probe, transactional } from './recovery.ts'

const problem = (options: object): unknown => refusalBy(() => contractOf(options)).details['problem']
const fix = (options: object): unknown => refusalBy(() => contractOf(options)).details['fix']
const fits = (options: object): boolean => thrownBy(() => contractOf(options)) === undefined

describe('options at their limits', () => {
  it('names of 1 to 128 visible characters', () => {
    for (const name of ['x', 'x'.repeat(128), '!', '~']) expect(fits({ name })).toBe(true)
    for (const name of ['', 'x'.repeat(129), ' ', '\u007f', 'é', 5, ['x']])
      expect(problem({ name })).toContain('name must')
    expect(refusalBy(() => contractOf({ name: '' })).details['contract']).toBe('(no name)')
    expect(refusalBy(() => contractOf({ name: 5 })).details['contract']).toBe('(no name)')
    expect(refusalBy(() => contractOf({ name: 'x'.repeat(129) })).details['contract']).toHaveLength(64)
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
      const error = refusalBy(() =>
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
    const missing = refusalBy(() => contractOf({ identity: ['no', 'none'] }).identityOf(input))
    expect(missing).toMatchObject({ code: 'INPUT_INVALID', details: { contract: 'place_order', path: '$.no' } })
    expect(missing.message).toContain('no, none')
  })

  it('an identity function must answer, at once', async () => {
    const cause = new Error('x')
    const throws = (error: unknown) => () => {
      throw error
    }
    expect(refusalBy(() => contractOf({ identity: throws(cause) }).identityOf(input))).toMatchObject({
      code: 'INPUT_INVALID',
      cause,
      details: { contract: 'place_order', path: '$' },
    })
    const own = new OnefoldError('KEY_INVALID', 'mine')
    expect(refusalBy(() => contractOf({ identity: throws(own) }).identityOf(input))).toBe(own)
    expect(refusalBy(() => contractOf({ identity: () => undefined }).identityOf(input)).code).toBe('INPUT_INVALID')
    expect(refusalBy(() => contractOf({ identity: () => Promise.reject(cause) }).identityOf(input)).code).toBe(
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
    const listed = [
      { version: 1, identity: ['cents'] },
      { version: 2, identity: 'all', scope: 'session' },
    ]
    expect(contractOf({ version: 3, supersedes: listed }).supersededIdentitiesOf({ cents: 5, nth: 2 })).toEqual([
      { major: 2, identity: { cents: 5, nth: 2 }, scope: 'session' },
      { major: 1, identity: { cents: 5 }, scope: undefined },
    ])
  })

  it('a superseded identity of which nothing is there names no older call: that version would have refused this one', () => {
    const supersedes = [
      { version: 1, identity: ['orderId', 'nested.id'] },
      { version: 2, identity: () => undefined },
      { version: 3, identity: ['ref'] },
    ]
    expect(contractOf({ version: 4, supersedes }).supersededIdentitiesOf({ ref: 'a' })).toEqual([
      { major: 3, identity: { ref: 'a' }, scope: undefined },
    ])
    const later = [{ version: 1, identity: () => Promise.resolve(1) }]
    expect(refusalBy(() => contractOf({ version: 2, supersedes: later }).supersededIdentitiesOf(input)).code).toBe(
      'CONTRACT_INVALID',
    )
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
      expect(refusalBy(() => contract.occurrenceOf({ nth }))).toMatchObject({
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
