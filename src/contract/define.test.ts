import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { canonicalize } from '../key/index.ts'
import type { AnyToolOptions } from './any-options.ts'
import { defineContract } from './define.ts'
import { keyed, manual, probe } from './recovery.ts'

const schemas = {
  zod: z.object({
    orderId: z.string(),
    customer: z.object({ id: z.string(), note: z.string().optional() }).optional(),
    cents: z.number().nullish(),
  }),
  valibot: v.object({
    orderId: v.string(),
    customer: v.optional(v.object({ id: v.string(), note: v.optional(v.string()) })),
    cents: v.nullish(v.number()),
  }),
  arktype: type({ orderId: 'string', 'customer?': { id: 'string', 'note?': 'string' }, 'cents?': 'number | null' }),
}

const base = {
  name: 'ship_order',
  input: schemas.zod,
  effect: 'write',
  identity: ['orderId'],
  recovery: keyed('24h'),
  execute: (input: { orderId: string }) => input.orderId,
} as const

/** The base with changes that the types would not let pass. */
function changed(changes: Record<string, unknown>): AnyToolOptions {
  return { ...base, ...changes } as unknown as AnyToolOptions
}

describe.each(Object.entries(schemas))('a contract over %s', (_, input) => {
  const contract = defineContract(
    changed({
      input,
      identity: ['orderId', 'customer.id'],
      ignore: ['customer.note'],
      amount: 'cents',
      exclusive: ['customer.id'],
    }),
  )

  it('gives what validates', async () => {
    expect(await contract.parse({ orderId: 'o1' })).toEqual({ orderId: 'o1' })
  })

  it('refuses what does not, naming the path', async () => {
    for (const [value, path] of [
      [{}, '$.orderId'],
      [{ orderId: 'o1', customer: { id: 5 } }, '$.customer.id'],
    ] as const) {
      await expect((async () => contract.parse(value))()).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        effect: 'none',
        message: expect.stringContaining(path),
        details: { contract: 'ship_order', path, paths: [path] },
      })
    }
    await expect((async () => contract.parse(null))()).rejects.toMatchObject({ details: { path: '$' } })
  })

  it('identifies by the fields that are there', () => {
    const input1 = { orderId: 'o1', customer: { id: 'c1', note: 'x' }, cents: 5 }
    expect(contract.identityOf(input1)).toEqual({ orderId: 'o1', 'customer.id': 'c1' })
    expect(contract.identityOf({ orderId: 'o1' })).toEqual({ orderId: 'o1' })
    expect(contract.bindingOf(input1)).toEqual({ orderId: 'o1', customer: { id: 'c1' }, cents: 5 })
    expect(contract.amountOf(input1)).toBe(5)
    expect(contract.amountOf({ orderId: 'o1', cents: null })).toBeUndefined()
    expect(contract.pick(input1, ['customer.id', 'cents', 'none'])).toEqual(['c1', 5, null])
  })
})

describe('defineContract refuses', () => {
  const cases: readonly (readonly [string, Record<string, unknown>, readonly string[]])[] = [
    ['a write without identity', { identity: undefined }, ['needs identity', "identity: ['orderId']"]],
    ['a write without recovery', { recovery: undefined }, ['needs recovery', "keyed('24h')", 'manual()']],
    ['recovery that was not called', { recovery: manual }, ['recovery: manual(…)']],
    ['recovery by name', { recovery: 'keyd' }, ['recovery: keyed(…)']],
    ['recovery of no class', { recovery: { class: 'hope' } }, ['no known class']],
    ['keyed without a window', { recovery: { class: 'keyed', settleMs: 0 } }, ['no window']],
    ['probe without a function', { recovery: { class: 'probe', settleMs: 0 } }, ['no function']],
    ['idempotent without a precondition', { recovery: { class: 'idempotent' } }, ['no precondition']],
    ['an ignored identity', { ignore: ['orderId'] }, ['ignore names "orderId"', 'Take the field out']],
    ['an ignored parent of identity', { identity: ['customer.id'], ignore: ['customer'] }, ['ignore names "customer"']],
    [
      'an ignored child of identity',
      { identity: ['customer'], ignore: ['customer.note'] },
      ['ignore names "customer.note"'],
    ],
    [
      'identity over the occurrence',
      { identity: ['orderId', 'cents'], occurrenceField: 'cents' },
      ['occurrence is part of the key'],
    ],
    [
      'an undo of what is named by its place',
      { identity: 'sequence', compensate: () => undefined },
      ['which an undo cannot name again', "identity: ['orderId']"],
    ],
    ['no name', { name: undefined }, ["name: 'refund_return'"]],
    ['a name with a blank', { name: 'ship order' }, ['without blanks']],
    ['a name of 129 characters', { name: 'x'.repeat(129) }, ['1 to 128']],
    ['no effect', { effect: undefined }, ["effect: 'write'"]],
    ['an unknown effect', { effect: 'wirte' }, ["Did you mean 'write'?"]],
    ['no input', { input: undefined }, ['input is missing']],
    ['input that is no Standard Schema', { input: { type: 'object' } }, ['no Standard Schema', 'standardschema.dev']],
    ['no execute', { execute: undefined }, ['execute is missing']],
    ['execute that is no function', { execute: 5 }, ['execute must be a function']],
    ['a description that is no text', { description: 5 }, ['description must be text']],
    ['an unknown option', { retentoin: '24h' }, ['"retentoin"', 'Did you mean retention? Nothing was registered.']],
    ['an option of another library', { ttl: '24h' }, ['Did you mean retention?']],
    ['an option like nothing', { zebra: 1 }, ['The options are name']],
    ['a version of 0', { version: 0 }, ['whole number from 1']],
    ['a version in text', { version: '1.0.0' }, ['whole number from 1']],
    ['a replay of a later version', { version: 2, replaysFrom: [2] }, ['versions below 2']],
    ['supersedes without identity', { version: 2, supersedes: [{ version: 1 }] }, ['each with its identity']],
    ['supersedes that is no list', { version: 2, supersedes: {} }, ['each with its identity']],
    [
      'supersedes of a field that there is not',
      { version: 2, supersedes: [{ version: 1, identity: ['orderID'] }] },
      ['supersedes.identity names "orderID"', 'Did you mean orderId'],
    ],
    [
      'supersedes in no scope',
      { version: 2, supersedes: [{ version: 1, identity: 'all', scope: 'chat' }] },
      ["scope: 'run'"],
    ],
    ['an empty identity', { identity: [] }, ['list of input fields']],
    ['an identity word', { identity: 'al' }, ["Did you mean 'all'?"]],
    ['an identity that is one field', { identity: 'orderId' }, ["identity: ['orderId']"]],
    ['an identity of numbers', { identity: [5] }, ['no field name']],
    ['an identity with an empty step', { identity: ['customer.'] }, ['no field name']],
    ['an identity field twice', { identity: ['orderId', 'orderId'] }, ['names a field twice']],
    [
      'an identity field that the schema does not have',
      { identity: ['orderID'] },
      ['does not have', 'Did you mean orderId?'],
    ],
    ['a nested one', { identity: ['customer.noet'] }, ['"customer.noet"', 'Did you mean customer.note?']],
    ['an ignored field that the schema does not have', { ignore: ['zebra'] }, ['Name a field of the input schema']],
    ['an unknown scope', { scope: 'sesion' }, ["Did you mean 'session'?"]],
    ['an unknown meaning of sends', { sends: 'maybe' }, ["'checked' | 'unchecked'"]],
    ['an unknown callerKey', { callerKey: 'require' }, ["Did you mean 'required'?"]],
    ['an unknown notice', { notice: 'user' }, ["notice: 'model'"]],
    ['retention that is no duration', { retention: '24 hours' }, ['retention of ship_order', "as '24h'"]],
    ['retention of 0', { retention: '0s' }, ['retention cannot be 0']],
    ['a timeout of 0', { timeout: '0ms' }, ['timeout cannot be 0']],
    [
      'a retry horizon longer than retention',
      { retention: '1h', retryHorizon: '2h' },
      ['retention (1h)', "retention: '2h' or more"],
    ],
    ['near without fields', { near: { within: '1m', then: 'hold' } }, ['near.fields']],
    [
      'near that collapses',
      { near: { fields: ['cents'], within: '1m', then: 'collapse' } },
      ["near.then must be 'hold'"],
    ],
    ['near without a time', { near: { fields: ['cents'], within: 'x', then: 'hold' } }, ['near.within of ship_order']],
    [
      'near with more',
      { near: { fields: ['cents'], within: '1m', then: 'hold', than: 1 } },
      ['near has no option "than"'],
    ],
    ['errors that are no list', { errors: {} }, ['errors must be a list']],
    ['an error without a match', { errors: [{ effect: 'none' }] }, ['no match']],
    ['an error with another effect', { errors: [{ match: 429, effect: 'retry' }] }, ["'none' | 'done' | 'unknown'"]],
    ['prepare that is no function', { prepare: true }, ['prepare must be a function']],
    ['a read with write options', { effect: 'read' }, ['not ledgered', "effect: 'write'"]],
  ]
  it.each(cases)('%s', (_, changes, texts) => {
    const error = thrownBy(() => defineContract(changed(changes)))
    expect(error).toMatchObject({ name: 'OnefoldError', code: 'CONTRACT_INVALID', effect: 'none' })
    const { message } = error as Error
    for (const text of texts) expect(message).toContain(text)
    expect(message).toContain('Nothing was registered.')
  })

  it('a retention below a horizon that the guard knows (OR-14)', () => {
    expect(() => defineContract(changed({ retention: '1h' }), { retryHorizonMs: 7_200_000 })).toThrow(
      /shorter than the retry horizon \(2h\)/,
    )
    const kept = changed({ retention: '2h', recovery: manual() })
    expect(defineContract(kept, { retryHorizonMs: 7_200_000 }).retryHorizonMs).toBe(7_200_000)
  })

  it('a retention below the window in which the downstream knows the key', () => {
    for (const [retention, window] of [
      [undefined, '31d'],
      ['1h', '24h'],
    ] as const)
      expect(() => defineContract(changed({ retention, recovery: keyed(window) }))).toThrow(
        `Write retention: '${window}' or more. Nothing was registered.`,
      )
    expect(defineContract(changed({ retention: '31d', recovery: keyed('31d') })).retentionMs).toBe(31 * 86_400_000)
  })

  it('options that are no object', () => {
    for (const options of [undefined, null, 5, []]) {
      expect(() => defineContract(options as unknown as AnyToolOptions)).toThrow(
        expect.objectContaining({ code: 'CONTRACT_INVALID' }),
      )
    }
  })
})

describe('defineContract', () => {
  it('has the defaults of protocol.md section 9', () => {
    const contract = defineContract(base as AnyToolOptions)
    expect(contract).toMatchObject({
      major: 1,
      scope: 'tenant',
      retentionMs: 86_400_000,
      retryHorizonMs: 86_400_000,
      timeoutMs: 60_000,
      sends: 'unchecked',
      callerKey: 'ignored',
      sequence: false,
      replaysFrom: [],
      errors: [],
    })
    expect(contract).toMatchObject({ near: undefined, exclusive: undefined, notice: undefined })
    expect(Object.isFrozen(contract)).toBe(true)
    expect(defineContract(changed({ retention: '1h', recovery: manual() })).retryHorizonMs).toBe(3_600_000)
    expect(defineContract(changed({ retention: '7d' })).retryHorizonMs).toBe(86_400_000)
    const set = { retentionMs: 1000, timeoutMs: 5, scope: 'session' } as const
    expect(defineContract(changed({ recovery: manual() }), set)).toMatchObject({ ...set, retryHorizonMs: 1000 })
  })

  it('tells absent and null apart, and refuses an identity of which nothing is there', () => {
    const contract = defineContract(changed({ identity: ['orderId', 'cents'] }))
    const texts = [{ orderId: 'o' }, { orderId: 'o', cents: null }, { orderId: 'o', cents: 0 }].map((input) =>
      canonicalize(contract.identityOf(input)),
    )
    expect(texts).toEqual(['{"orderId":"o"}', '{"cents":null,"orderId":"o"}', '{"cents":0,"orderId":"o"}'])
    expect(contract.identityOf({ orderId: 'o', cents: undefined })).toEqual({ orderId: 'o' })
    expect(() => contract.identityOf({ other: 1 })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', details: { contract: 'ship_order', path: '$.orderId' } }),
    )
    expect(() => contract.identityOf(null)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
    expect(() => contract.identityOf(Object.create({ orderId: 'inherited' }))).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    )
  })

  it('identifies by a function, by all, by sequence', () => {
    const input = { orderId: 'o', cents: 2, customer: { id: 'c' } }
    const by = (identity: unknown, more = {}): unknown =>
      defineContract(changed({ identity, ...more })).identityOf(input)
    expect(by((value: typeof input) => [value.orderId])).toEqual(['o'])
    expect(by('all')).toEqual(input)
    expect(by('all', { ignore: ['customer.id'] })).toEqual({ orderId: 'o', cents: 2, customer: {} })
    expect(by('all', { occurrenceField: 'cents' })).toEqual({ orderId: 'o', customer: { id: 'c' } })
    expect(by('sequence')).toBeUndefined()
    expect(defineContract(changed({ identity: 'sequence' })).sequence).toBe(true)
    expect(() => by(() => undefined)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
    expect(() => by(() => JSON.parse('x') as unknown)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
    expect(() => by(async () => Promise.reject(new Error('late')))).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID' }),
    )
  })

  it('lets identity be left out where the caller key is the identity', () => {
    const contract = defineContract(changed({ identity: undefined, callerKey: 'required' }))
    expect(contract.describe().identity).toBe('caller-key')
    expect(contract.identityOf({ orderId: 'o' })).toEqual({ orderId: 'o' })
  })

  it('reads the occurrence from its field, and leaves it out of the binding', () => {
    const contract = defineContract(changed({ occurrenceField: 'cents' }))
    expect(contract.occurrenceOf({ orderId: 'o', cents: 2 })).toBe(2)
    expect(contract.occurrenceOf({ orderId: 'o' })).toBeUndefined()
    expect(contract.occurrenceOf({ orderId: 'o', cents: null })).toBeUndefined()
    expect(contract.bindingOf({ orderId: 'o', cents: 2 })).toEqual(contract.bindingOf({ orderId: 'o' }))
    for (const cents of [0, 1.5, '2', -1, 2 ** 53]) {
      expect(() => contract.occurrenceOf({ orderId: 'o', cents })).toThrow(
        expect.objectContaining({ code: 'INPUT_INVALID', details: { contract: 'ship_order', path: '$.cents' } }),
      )
    }
    expect(defineContract(base as AnyToolOptions).occurrenceOf({ orderId: 'o' })).toBeUndefined()
  })

  it('gives older identities, newest first', () => {
    const identity = (input: { orderId: string }): unknown => [input.orderId]
    const contract = defineContract(
      changed({
        version: 3,
        replaysFrom: [2],
        supersedes: [
          { version: 1, identity },
          { version: 2, identity: () => 'x', scope: 'session' },
        ],
      }),
    )
    expect(contract.supersededIdentitiesOf({ orderId: 'o' })).toEqual([
      { major: 2, identity: 'x', scope: 'session' },
      { major: 1, identity: ['o'] },
    ])
    expect(contract.replaysFrom).toEqual([2])
  })

  it('waits for a schema that answers later', async () => {
    const input = z.object({ orderId: z.string().refine(async (id) => Promise.resolve(id !== 'bad')) })
    const contract = defineContract(changed({ input }))
    await expect(contract.parse({ orderId: 'o' })).resolves.toEqual({ orderId: 'o' })
    await expect(contract.parse({ orderId: 'bad' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { path: '$.orderId' },
    })
  })

  it('turns a schema that throws into INPUT_INVALID', async () => {
    const validators = [
      () => {
        throw new Error('broken')
      },
      async () => Promise.reject(new Error('broken')),
    ]
    for (const validate of validators) {
      const contract = defineContract(changed({ input: { '~standard': { version: 1, vendor: 'test', validate } } }))
      await expect((async () => contract.parse({}))()).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        cause: new Error('broken'),
      })
    }
  })

  it('accepts a schema without a JSON form, and one that is open', () => {
    const dated = z.object({ orderId: z.string(), due: z.date() })
    expect(() => defineContract(changed({ input: dated, identity: ['orderID'] }))).not.toThrow()
    const open = z.looseObject({ orderId: z.string() })
    expect(() => defineContract(changed({ input: open, identity: ['other'] }))).not.toThrow()
    const either = z.union([z.object({ a: z.string() }), z.object({ b: z.string() })])
    expect(() => defineContract(changed({ input: either, identity: ['b'] }))).not.toThrow()
  })

  it('passes reads through', () => {
    const contract = defineContract({ name: 'search', effect: 'read', input: schemas.zod, execute: () => 1 })
    expect(contract.describe()).toEqual({ name: 'search', version: 1, effect: 'read' })
    expect(contract.identityOf({ orderId: 'o' })).toBeUndefined()
  })

  it('describes itself as plain JSON (BF-11)', () => {
    const contract = defineContract(
      changed({
        description: 'Ships an order',
        version: 2,
        ignore: ['customer.note'],
        recovery: probe(() => ({ found: false }), { settle: '5s' }),
        exclusive: ['orderId'],
        near: { fields: ['cents'], within: '10m', then: 'hold' },
        amount: 'cents',
        compensate: () => undefined,
      }),
    )
    expect(JSON.parse(JSON.stringify(contract.describe()))).toEqual({
      name: 'ship_order',
      version: 2,
      effect: 'write',
      description: 'Ships an order',
      identity: ['orderId'],
      ignore: ['customer.note'],
      scope: 'tenant',
      retentionMs: 86_400_000,
      retryHorizonMs: 86_400_000,
      recovery: { class: 'probe', settleMs: 5000, probe: true },
      callerKey: 'ignored',
      exclusive: ['orderId'],
      near: { fields: ['cents'], withinMs: 600_000 },
      amount: 'cents',
      compensated: true,
      verified: false,
      timeoutMs: 60_000,
    })
    expect(defineContract(base as AnyToolOptions).describe().recovery).toEqual({
      class: 'keyed',
      windowMs: 86_400_000,
      settleMs: 0,
      probe: false,
    })
    expect(defineContract(changed({ recovery: manual(), identity: () => 1 })).describe()).toMatchObject({
      identity: 'function',
      recovery: { class: 'manual' },
    })
  })
})
