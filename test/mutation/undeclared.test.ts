import { describe, expect, it } from 'vitest'
import { AnsweredError, type UndeclaredPolicy } from '../../src/engine/index.ts'
import { createUndeclared } from '../../src/engine/undeclared.ts'
import { bench, contractOf, facts, refusalOf, type Bench, type OrderInput } from './bench.ts'

const RUN: UndeclaredPolicy = { afterDelivery: 'run', afterError: 'hold' }

const calling = (b: Bench, execute: () => unknown) => {
  const contract = contractOf({ name: 'undeclared', identity: 'all', execute })
  return (policy: Partial<UndeclaredPolicy> = {}, options: object = {}) =>
    b.until(b.guard.internals.undeclared.perform(contract, { ref: 'a' }, { ...RUN, ...policy }, options))
}

describe('an identical call of an undeclared tool', () => {
  it('is counted for each tenant alone', async () => {
    const b = bench()
    let runs = 0
    const call = calling(b, () => (runs += 1))
    for (const wanted of [1, 2, 3]) {
      const { key, record } = await call()
      expect(record?.occurrence).toBe(wanted)
      await b.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    }
    const run = b.guard.internals.runOf({ id: 'r', tenant: 'other' })
    const elsewhere = await call({}, { run })
    expect(elsewhere).toMatchObject({ replayed: false, record: { tenant: 'other', occurrence: 1 } })
    expect(runs).toBe(4)
  })

  it('is new work once the earlier answer was delivered, also where an older secret named that call', async () => {
    const past = bench({ keySecret: 'old' })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
    let runs = 0
    const before = calling(past, () => (runs += 1))
    const after = calling(now, () => (runs += 1))
    const { key } = await before()
    expect(await after()).toMatchObject({ replayed: true, value: 1, key })
    await now.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    expect(await after()).toMatchObject({ replayed: false, value: 2, record: { occurrence: 2 } })
    expect(runs).toBe(2)
  })

  it('does not run after an error that a person closed without knowing, whatever runs after errors', async () => {
    const b = bench()
    let runs = 0
    const call = calling(b, () => {
      runs += 1
      throw new AnsweredError('it said no', { isError: true })
    })
    const { key } = await refusalOf(call())
    await b.guard.ledger.resolve(key ?? '', { verdict: 'abandoned', who: 'me', note: 'n' })
    const error = await refusalOf(call({ afterError: 'run' }))
    expect(error).toMatchObject({ code: 'IN_DOUBT', key })
    expect(runs).toBe(1)
  })
})

describe('a call that was made once more while an error of it was in doubt', () => {
  it.each([
    { verdict: 'released', said: 'not done' },
    { verdict: 'committed', said: 'done' },
  ] as const)(
    'is repeated as that newer call by a new process, once a person has said $said of the first',
    async ({ verdict }) => {
      const b = bench()
      let runs = 0
      let fails = true
      const tool = (): number => {
        if (fails) throw new AnsweredError('it said no', { isError: true })
        return (runs += 1)
      }
      const call = calling(b, tool)
      const { key } = await refusalOf(call({ afterError: 'run' }))
      fails = false
      expect(await call({ afterError: 'run' })).toMatchObject({ value: 1, record: { occurrence: 2 } })
      b.time.stepStore(60_000)
      await b.guard.ledger.resolve(key ?? '', { verdict, who: 'ada', note: 'n' })
      const later = calling(bench({ beside: b, self: 'host/boot/2/2' }), tool)
      expect(await later({ afterError: 'run' })).toMatchObject({ value: 1, replayed: true, record: { occurrence: 2 } })
      expect(runs).toBe(1)
    },
  )

  it('is the earlier call under the name that the framework gave it', async () => {
    const b = bench()
    let fails = true
    const call = calling(b, () => {
      if (fails) throw new AnsweredError('it said no', { isError: true })
      return 'done'
    })
    const { key } = await refusalOf(call({ afterError: 'run' }, { callId: 'one' }))
    fails = false
    await call({ afterError: 'run' }, { callId: 'two' })
    b.time.stepStore(60_000)
    await b.guard.ledger.resolve(key ?? '', { verdict: 'released', who: 'ada', note: 'n' })
    const again = await call({ afterError: 'run' }, { callId: 'one' })
    expect(again).toMatchObject({ replayed: false, record: { occurrence: 1, call: 'one' } })
  })
})

describe('the newest occurrence of a call', () => {
  /** Calls of which the first occurrence is past already; counts looks at the ledger. */
  function counting() {
    let reads = 0
    const performer = {
      name: (_contract: unknown, call: string, { occurrence = 1 }: { occurrence?: number }) => ({
        key: `${call}/${occurrence}`,
        tenant: 't',
        older: [],
        descriptor: {},
      }),
      perform: async () => ({}),
    }
    const read = (key: string): unknown => {
      reads += 1
      return { record: key.endsWith('/1') ? { state: 'expired' } : undefined, now: 0 }
    }
    const core = { journal: { read }, emitter: { emit: () => undefined } }
    const undeclared = createUndeclared(core as never, performer as never)
    return async (call: string): Promise<number> => {
      reads = 0
      await undeclared.perform({} as never, call, RUN)
      return reads
    }
  }
  const WALK = 2
  const KNOWN = 1

  it('is known after the first walk up to it', async () => {
    const call = counting()
    expect(await call('a')).toBe(WALK)
    expect(await call('a')).toBe(KNOWN)
    expect(await call('b')).toBe(WALK)
  })

  it('is known of ten thousand calls, of which the one not called for longest goes first', async () => {
    const call = counting()
    for (let n = 0; n < 10_000; n += 1) await call(`r${n}`)
    expect(await call('r0')).toBe(KNOWN)
    expect(await call('one too many')).toBe(WALK)
    expect(await call('r0')).toBe(KNOWN)
    expect(await call('r2')).toBe(KNOWN)
    expect(await call('r1')).toBe(WALK)
  })
})

describe('undeclared tools', () => {
  const start = () => {
    const b = bench()
    const contract = contractOf({
      name: 'undeclared',
      identity: 'all',
      execute: (input: OrderInput, context: never) => b.downstream.send(input, context),
    })
    const call = (policy: object = {}, input: object = { ref: 'a' }) =>
      b.until(
        b.guard.internals.undeclared.perform(contract, input, {
          afterDelivery: 'run',
          afterError: 'hold',
          ...policy,
        } as never),
      )
    const deliver = (key: string) => b.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    return { b, contract, call, deliver }
  }

  it('an identical call is a retry until its answer was delivered; then it is new work, and flagged', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    const first = await call()
    expect(await call()).toMatchObject({ key: first.key, replayed: true })
    await deliver(first.key)
    expect((await b.inner.history(first.key, 'default')).at(-1)).toMatchObject({
      transition: 'delivered',
      who: 'proxy',
    })
    const second = await call()
    expect(second).toMatchObject({ replayed: false, value: { id: 2 } })
    expect(second.key).not.toBe(first.key)
    expect(b.events.filter(({ name }) => name === 'suspected-repeat')).toEqual([
      {
        name: 'suspected-repeat',
        key: second.key,
        tenant: 'default',
        tool: 'undeclared',
        run: undefined,
        occurrence: 2,
      },
    ])
    expect(await call()).toMatchObject({ key: second.key, replayed: true })
    await deliver(second.key)
    expect((await call()).record?.occurrence).toBe(3)
    expect(await call({}, { ref: 'other' })).toMatchObject({ replayed: false })
    expect(b.events.filter(({ name }) => name === 'suspected-repeat')).toHaveLength(2)
    // Another process walks up from the first.
    const other = bench({ beside: b })
    const contract = contractOf({ name: 'undeclared', identity: 'all', execute: () => 'never' })
    const policy = { afterDelivery: 'run', afterError: 'hold' } as const
    expect(await b.until(other.guard.internals.undeclared.perform(contract, { ref: 'a' }, policy))).toMatchObject({
      replayed: true,
      value: { id: 3 },
    })
  })

  it('by policy it replays, or is held', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    const { key } = await call()
    await deliver(key)
    expect(await call({ afterDelivery: 'replay' })).toMatchObject({ key, replayed: true })
    expect(facts(await refusalOf(call({ afterDelivery: 'hold' })))).toMatchObject({
      code: 'HELD',
      effect: 'none',
      key,
      ticket: key.slice(4, 16),
    })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('after an answered error it is held in doubt, or runs', async () => {
    const { b, contract, call } = start()
    await b.guard.open()
    const { AnsweredError } = await import('../../src/engine/index.ts')
    const failing = contractOf({
      name: 'undeclared',
      identity: 'all',
      execute: () => {
        throw new AnsweredError('it said no', { isError: true })
      },
    })
    const policy = { afterDelivery: 'run', afterError: 'hold' } as const
    const { undeclared } = b.guard.internals
    expect(await refusalOf(b.until(undeclared.perform(failing, { ref: 'a' }, policy)))).toMatchObject({
      code: 'IN_DOUBT',
    })
    expect(await refusalOf(call())).toMatchObject({ code: 'IN_DOUBT' })
    expect(await call({ afterError: 'run' })).toMatchObject({ status: 'committed', value: { id: 1 } })
    expect(contract.name).toBe('undeclared')
  })

  it('a doubt of another kind is never repeated, an expired one is', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    b.downstream.plan('a', 'lose-answer')
    expect(await refusalOf(call({ afterError: 'run' }))).toMatchObject({ code: 'IN_DOUBT' })
    expect(await refusalOf(call({ afterError: 'run' }))).toMatchObject({ code: 'IN_DOUBT' })
    const done = await call({}, { ref: 'b' })
    b.time.stepStore(86_400_000)
    await b.time.advance(31_000)
    expect(b.recordOf(done.key)?.state).toBe('expired')
    expect(await call({}, { ref: 'b' })).toMatchObject({ value: { id: 2 } })
    b.downstream.plan('c', 'refuse')
    const refused = await refusalOf(call({}, { ref: 'c' }))
    expect(refused.code).toBe('IN_DOUBT')
    await deliver(refused.key!)
    expect(await refusalOf(call({}, { ref: 'c' }))).toMatchObject({ code: 'IN_DOUBT', key: refused.key })
  })
})

describe('an undeclared call under the framework’s id', () => {
  const start = (policy: object = {}) => {
    const b = bench()
    let runs = 0
    const contract = contractOf({ name: 'undeclared', identity: 'all', execute: () => (runs += 1) })
    const call = (callId?: string, more: object = {}) =>
      b.until(
        b.guard.internals.undeclared.perform(
          contract,
          { ref: 'a' },
          { afterDelivery: 'run', afterError: 'hold', ...policy, ...more } as never,
          callId === undefined ? {} : { callId },
        ),
      )
    const deliver = ({ key }: { key: string }) => b.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    return { b, call, deliver, runs: () => runs }
  }

  it('is that call when it comes again, whatever was delivered and came since', async () => {
    const { call, deliver, runs } = start()
    await deliver(await call('one'))
    expect(await call('one')).toMatchObject({ replayed: true, value: 1 })
    await deliver(await call('two'))
    expect(await call('two')).toMatchObject({ replayed: true, value: 2 })
    expect(await call('one')).toMatchObject({ replayed: true, value: 1 })
    expect(await call('three')).toMatchObject({ replayed: false, value: 3 })
    expect(runs()).toBe(3)
  })

  it('is known by the ledger too, for a process that did not see it', async () => {
    const { b, call, deliver, runs } = start()
    await deliver(await call('one'))
    const other = bench({ beside: b, self: 'host/boot/2/2' })
    const contract = contractOf({ name: 'undeclared', identity: 'all', execute: () => 'again' })
    const policy = { afterDelivery: 'run', afterError: 'hold' } as const
    const again = other.guard.internals.undeclared.perform(contract, { ref: 'a' }, policy, { callId: 'one' })
    expect(await b.until(again)).toMatchObject({ replayed: true, value: 1 })
    expect(runs()).toBe(1)
  })

  it('is held with its ticket where the policy says so, unless it is the same call', async () => {
    const { call, deliver, runs } = start({ afterDelivery: 'hold' })
    const first = await call('one')
    await deliver(first)
    expect(await refusalOf(call('two'))).toMatchObject({ code: 'HELD', effect: 'none', key: first.key })
    expect(await call('one')).toMatchObject({ replayed: true, value: 1 })
    expect(runs()).toBe(1)
  })
})
