import { describe, expect, it } from 'vitest'
import { contractOf, facts } from '../../test/mutation/bench.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { operationKey } from '../key/index.ts'
import { namelessOperation, nameOperation, ticketOf, type CallOptions, type Naming } from './operation.ts'
import { newRun, type ActiveRun, type OperationFrame } from './run.ts'

const NAMING: Naming = { defaultTenant: 'acme', keySecret: undefined, previousSecrets: [], maxInputBytes: 200 }
const run = newRun({ id: 'run-1', tenant: 'other', session: 's-1', unanchored: true, mintedUnder: 0 })
const frame = {
  key: 'of1_parent',
  tool: 'parent',
  fence: () => 9,
  nonce: () => 'n',
  nextChild: 2,
} as unknown as OperationFrame

const name = (
  options: object,
  input: unknown,
  call: CallOptions = {},
  where: { run?: ActiveRun; frame?: OperationFrame; index?: number; naming?: Partial<Naming> } = {},
) =>
  nameOperation({ ...NAMING, ...where.naming }, contractOf(options), input, call, where.run, where.frame, where.index)

const keyOf = (change: object) =>
  operationKey({
    contract: 'place_order',
    tenant: 'acme',
    scope: 'tenant',
    scopeId: '',
    identity: { ref: 'a' },
    ...change,
  })

describe('an operation is named', () => {
  it('by contract, tenant, scope and identity', () => {
    const contract = {
      amount: 'amount',
      version: 3,
      retention: '2h',
      retryHorizon: '1h',
      sends: 'checked',
      recovery: { class: 'keyed', windowMs: 5, settleMs: 0 },
    }
    const op = name(contract, { ref: 'a', amount: 7 }, { callId: 'call-1' })
    expect(op).toMatchObject({
      key: keyOf({}),
      tenant: 'acme',
      input: { ref: 'a', amount: 7 },
      frozen: '{"ref":"a","amount":7}',
      older: [],
      index: undefined,
    })
    expect(op.descriptor).toEqual({
      tenant: 'acme',
      tool: 'place_order',
      major: 3,
      recovery: 'keyed',
      fingerprint: expect.any(String) as string,
      occurrence: 1,
      run: undefined,
      session: undefined,
      call: 'call-1',
      parent: undefined,
      retentionMs: 7_200_000,
      retryHorizonMs: 3_600_000,
      amount: 7,
      unanchored: false,
      checked: true,
    })
    expect(name({}, { ref: 'a' }).descriptor.checked).toBe(false)
  })

  it('within its run, session and tenant', () => {
    const op = name({ scope: 'run' }, { ref: 'a' }, {}, { run })
    expect(op.key).toBe(keyOf({ tenant: 'other', scope: 'run', scopeId: 'run-1' }))
    expect(op.tenant).toBe('other')
    expect(op.descriptor).toMatchObject({ tenant: 'other', run: 'run-1', session: 's-1', unanchored: true })
    expect(name({ scope: 'session' }, { ref: 'a' }, {}, { run }).key).toBe(
      keyOf({ tenant: 'other', scope: 'session', scopeId: 's-1' }),
    )
    expect(name({ scope: 'tenant' }, { ref: 'a' }, {}, { run }).key).toBe(keyOf({ tenant: 'other' }))
  })

  it('within its parent, by the ordinal of the call', () => {
    const op = name({ scope: 'parent' }, { ref: 'a' }, {}, { frame })
    expect(op.key).toBe(keyOf({ scope: 'parent', scopeId: 'of1_parent/2' }))
    expect(op.descriptor.parent).toEqual({ key: 'of1_parent', fence: 9, ordinal: 2 })
    const first = { ...frame, nextChild: 0 }
    expect(name({ scope: 'parent' }, { ref: 'a' }, {}, { frame: first }).key).toBe(
      keyOf({ scope: 'parent', scopeId: 'of1_parent/0' }),
    )
  })

  it('by its place where calls are counted, within the run whatever the scope', () => {
    const op = name({ identity: 'sequence' }, { ref: 'a' }, {}, { run, index: 4 })
    expect(op.key).toBe(keyOf({ tenant: 'other', scope: 'run', scopeId: 'run-1', identity: ['sequence', 4] }))
    expect(op.index).toBe(4)
  })

  it('by its caller’s key, only where the contract trusts it', () => {
    const call = { idempotencyKey: 'k-1' }
    expect(name({}, { ref: 'a' }, call).key).toBe(keyOf({}))
    for (const callerKey of ['trusted', 'required'])
      expect(name({ callerKey }, { ref: 'a' }, call).key).toBe(keyOf({ identity: ['caller-key', 'k-1'] }))
    expect(name({ callerKey: 'trusted' }, { ref: 'a' }).key).toBe(keyOf({}))
    expect(facts(thrownBy(() => name({ callerKey: 'required' }, { ref: 'a' })))).toMatchObject({ code: 'KEY_MISSING' })
    expect(facts(thrownBy(() => name({}, { ref: 'a' }, { idempotencyKey: '' })))).toMatchObject({ code: 'KEY_INVALID' })
  })

  it('by its occurrence: the call’s, else the input’s, else the first', () => {
    const contract = { occurrenceField: 'nth' }
    expect(name(contract, { ref: 'a', nth: 3 }, { occurrence: 2 }).descriptor.occurrence).toBe(2)
    const third = name(contract, { ref: 'a', nth: 3 })
    expect(third.descriptor.occurrence).toBe(3)
    expect(third.key).toBe(keyOf({ occurrence: 3 }))
    expect(name(contract, { ref: 'a' }).descriptor.occurrence).toBe(1)
  })

  it('bound to every field but those that may differ', () => {
    const print = (options: object, input: unknown, naming = {}) =>
      name(options, input, {}, { naming }).descriptor.fingerprint
    const ignoring = { ignore: ['note'] }
    expect(print(ignoring, { ref: 'a', note: 1 })).toBe(print(ignoring, { ref: 'a', note: 2 }))
    expect(print(ignoring, { ref: 'a', note: 1 })).toBe(print({}, { ref: 'a' }))
    expect(print(ignoring, { ref: 'a', amount: 1 })).not.toBe(print(ignoring, { ref: 'a', amount: 2 }))
    expect(print({}, { ref: 'a' }, { keySecret: 's' })).not.toBe(print({}, { ref: 'a' }))
    expect(name(ignoring, { ref: 'a', note: 1 }).frozen).toBe('{"ref":"a","note":1}')
  })

  it('with nothing for an input as with null', () => {
    const nothing = name({ identity: () => 1 }, undefined)
    expect(nothing.frozen).toBe('null')
    expect(nothing.descriptor.fingerprint).toBe(name({ identity: () => 1 }, null).descriptor.fingerprint)
  })

  it('within the size that the engine allows', () => {
    const large = { ref: 'a'.repeat(200) }
    expect(facts(thrownBy(() => name({}, large)))).toMatchObject({ code: 'INPUT_INVALID' })
    expect(name({}, large, {}, { naming: { maxInputBytes: 300 } }).frozen).toHaveLength(210)
  })

  it('and also as older secrets and older majors named it, without itself', () => {
    const contract = {
      version: 3,
      supersedes: [
        { version: 1, identity: (input: { ref: string }) => input.ref },
        { version: 2, identity: (input: { ref: string }) => ({ ref: input.ref }) },
      ],
    }
    const naming = { keySecret: 'new', previousSecrets: ['old', 'new'] }
    const past = name(contract, { ref: 'a' }, {}, { naming: { keySecret: 'old' } }).descriptor.fingerprint
    const { older, descriptor } = name(contract, { ref: 'a' }, {}, { naming })
    expect(older).toEqual([
      { key: keyOf({ secret: 'old' }), major: 3, fingerprint: past },
      { key: keyOf({ identity: 'a', secret: 'new' }), major: 1, fingerprint: descriptor.fingerprint },
      { key: keyOf({ identity: 'a', secret: 'old' }), major: 1, fingerprint: past },
    ])
  })

  it.each([
    [{ scope: 'run' }, {}, 'inside guard.run'],
    [{ scope: 'session' }, {}, 'inside guard.run'],
    [{ identity: 'sequence' }, {}, 'within the run'],
    [
      { scope: 'session' },
      { run: newRun({ id: 'r', tenant: 't', session: undefined, unanchored: false, mintedUnder: 0 }) },
      'with a session',
    ],
    [{ scope: 'parent' }, { run }, 'inside another protected operation'],
  ])('and refused where its scope is missing: %j', (options, where, text) => {
    const error = thrownBy(() => name(options, { ref: 'a' }, {}, where)) as Error
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_INVALID', effect: 'none' })
    expect(error.message).toContain(text)
  })
})

it('a read has a name that nobody else has, and no binding', () => {
  const contract = contractOf({ effect: 'read', identity: undefined, recovery: undefined })
  const op = namelessOperation(NAMING, contract, { ref: 'a' }, run, 'nonce')
  expect(op).toEqual({
    key: operationKey({ contract: 'place_order', tenant: 'other', scope: 'call', scopeId: 'nonce', identity: null }),
    tenant: 'other',
    contract,
    input: { ref: 'a' },
    frozen: 'null',
    older: [],
    index: undefined,
    descriptor: {
      tenant: 'other',
      tool: 'place_order',
      major: 1,
      recovery: 'manual',
      fingerprint: '',
      occurrence: 1,
      run: 'run-1',
      session: 's-1',
      call: undefined,
      parent: undefined,
      retentionMs: 0,
      retryHorizonMs: 0,
      amount: undefined,
      unanchored: true,
      checked: false,
    },
  })
  const alone = namelessOperation(NAMING, contract, 1, undefined, 'nonce')
  expect(alone.descriptor).toMatchObject({ tenant: 'acme', run: undefined, session: undefined, unanchored: false })
})

it('a ticket is the beginning of the key', () => {
  expect(ticketOf('of1_0123456789abcdef')).toBe('0123456789ab')
})
