import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { pair } from './corners.ts'

const exclusive = { exclusive: ['account'], timeout: '10m' }
/** No housekeeping within the hour. */
const UNSWEPT = { settings: { sweepMs: 3_600_000 } }
const order = (ref: string, account = 'x'): OrderInput => ({ ref, account })
const turns = async (b: Bench) => (await b.guard.ledger.list({ tool: 'exclusive' })).records
const keyOf = (b: Bench, tool: ReturnType<Bench['tool']>, ref: string): string =>
  b.guard.internals.name(tool.contract, order(ref)).key

/** One that has its turn until the downstream lets it go. */
async function holding(b: Bench, options: object = exclusive) {
  const tool = b.tool(options)
  b.downstream.plan('a', 'hold')
  const first = tool(order('a'))
  first.catch(() => undefined)
  await settle()
  const end = async (): Promise<void> => {
    b.downstream.release('a')
    await b.until(first)
  }
  return { tool, first, end }
}

describe('who waits for its turn in one process', () => {
  it('comes in the order of the calls, at once, and only the first asks the store', async () => {
    const b = bench()
    const { tool, first } = await holding(b)
    const [turn] = await turns(b)
    const asked: unknown[] = []
    b.trouble.request = (verb, args) => {
      if (verb === 'read' && args[0] === turn?.key) asked.push(verb)
    }
    const others = ['b', 'c', 'd'].map((ref) => tool(order(ref)))
    await b.time.advance(20_000)
    expect(asked).toEqual([])
    const now = b.time.bootMs()
    b.downstream.release('a')
    await b.until(Promise.all([first, ...others]))
    expect(b.time.bootMs()).toBe(now)
    expect(b.downstream.log).toEqual(['a:hold', 'b:ok', 'c:ok', 'd:ok'])
    // One look to take each turn, one to end it; the first only ends its own.
    expect(asked).toHaveLength(7)
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
    asked.length = 0
    await b.until(tool(order('e')))
    expect(asked).toHaveLength(2)
  })

  it('queues also behind those that came while an earlier one left', async () => {
    const b = bench()
    const { tool, end } = await holding(b)
    b.downstream.plan('b', 'hold')
    const others = ['b', 'c'].map((ref) => tool(order(ref)))
    await end()
    await settle()
    const [turn] = await turns(b)
    const asked: unknown[] = []
    b.trouble.request = (verb, args) => {
      if (verb === 'read' && args[0] === turn?.key) asked.push(verb)
    }
    const last = tool(order('d'))
    await b.time.advance(10_000)
    expect(asked).toEqual([])
    b.downstream.release('b')
    await b.until(Promise.all([...others, last]))
    expect(b.downstream.log).toEqual(['a:hold', 'b:hold', 'c:ok', 'd:ok'])
  })

  it('waits no longer than its budget, and is told the ticket of the one in its way', async () => {
    const b = bench()
    const { tool, end } = await holding(b)
    const began = b.time.bootMs()
    const [second, third] = await b.until(
      Promise.all([refusalOf(tool(order('b'), { waitMs: 60_000 })), refusalOf(tool(order('c'), { waitMs: 60_000 }))]),
    )
    expect(b.time.bootMs() - began).toBe(30_000)
    for (const [ref, error] of [['b', second] as const, ['c', third] as const])
      expect(facts(error)).toMatchObject({
        code: 'IN_PROGRESS',
        effect: 'none',
        retryable: true,
        retryAfterMs: 1_000,
        key: keyOf(b, tool, ref),
        ticket: keyOf(b, tool, 'a').slice(4, 16),
      })
    await end()
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(b.downstream.log).toEqual(['a:hold', 'b:ok'])
  })

  it('leaves when its caller does, and those behind it move up', async () => {
    const b = bench()
    const { tool, first } = await holding(b)
    const controller = new AbortController()
    const left = refusalOf(tool(order('b'), { signal: controller.signal }))
    const behind = tool(order('c'))
    await b.time.advance(100)
    controller.abort()
    await b.time.advance(200)
    const stays = Symbol('still waiting')
    const told = await Promise.race([left, settle().then(() => stays)])
    expect(told).not.toBe(stays)
    expect(facts(told)).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(b.record(tool, order('b'))).toBeUndefined()
    b.downstream.release('a')
    await b.until(Promise.all([first, behind]))
    expect(b.downstream.log).toEqual(['a:hold', 'c:ok'])
  })

  it('hears that its engine closes', async () => {
    const b = bench()
    const { tool } = await holding(b)
    const waiting = refusalOf(tool(order('b')))
    await b.time.advance(1_000)
    const began = b.time.bootMs()
    const closed = b.guard.close()
    expect(await b.until(waiting)).toMatchObject({ effect: 'none', retryable: true })
    expect(b.time.bootMs() - began).toBeLessThanOrEqual(250)
    await b.until(closed)
  })

  it('passes by those of other values, and meets every tool of equal fields', async () => {
    const b = bench()
    const { tool, end } = await holding(b)
    const other = b.tool({ ...exclusive, name: 'other' })
    const finer = b.tool({ name: 'finer', exclusive: ['account', 'ref'] })
    expect(await b.until(tool(order('b', 'y')))).toEqual({ id: 1, ref: 'b' })
    expect(await b.until(finer(order('c')))).toEqual({ id: 1, ref: 'c' })
    await b.guard.run({ tenant: 'acme' }, async () => {
      expect(await b.until(tool(order('d')))).toEqual({ id: 1, ref: 'd' })
    })
    expect(await refusalOf(b.until(other(order('e'))))).toMatchObject({ code: 'IN_PROGRESS' })
    await end()
  })
})

describe('who waits for a turn elsewhere', () => {
  it('is told at once when its caller leaves, and takes no turn', async () => {
    const [a, b] = await pair()
    const { end } = await holding(a)
    const there = b.tool(exclusive)
    const controller = new AbortController()
    const left = refusalOf(there(order('b'), { signal: controller.signal }))
    await b.time.advance(1_000)
    controller.abort()
    const began = b.time.bootMs()
    expect(facts(await b.until(left))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(b.time.bootMs() - began).toBeLessThanOrEqual(250)
    await end()
    expect((await turns(b)).map(({ state }) => state)).toEqual(['released'])
    expect(b.downstream.effects('b')).toBe(0)
  })

  it('of two that take a free turn at the same moment, the second waits for the first', async () => {
    const [a, b] = await pair()
    const tool = a.tool(exclusive)
    const there = b.tool(exclusive)
    a.downstream.plan('b', 'hold')
    let other: Promise<unknown> | undefined
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || other !== undefined) return
      other = there(order('b'))
      await settle()
    }
    const mine = tool(order('a'))
    await a.time.advance(5_000)
    expect(a.downstream.log).toEqual(['b:hold'])
    a.downstream.release('b')
    await a.until(Promise.all([mine, other]))
    expect(a.downstream.log).toEqual(['b:hold', 'a:ok'])
  })

  it('keeps the turn of an equal operation that ran here again, while the first process still ends its own', async () => {
    const [a, b] = await pair()
    const tool = a.tool(exclusive)
    const there = b.tool(exclusive)
    a.downstream.plan('a', 'refuse', 'hold')
    let go = (): void => {}
    a.fault = (point) => (point === 'answered' ? new Promise<void>((resolve) => (go = resolve)) : undefined)
    const first = refusalOf(tool(order('a')))
    await settle()
    const again = there(order('a'), { waitMs: 300_000 })
    await a.time.advance(100)
    let end = (): void => {}
    a.trouble.request = (verb, args) =>
      verb === 'write' && (args[0] as { event: { to: string } }).event.to === 'released'
        ? new Promise<void>((resolve) => (end = resolve))
        : undefined
    go()
    await a.time.advance(1_000)
    expect(a.downstream.log).toEqual(['a:refuse', 'a:hold'])
    a.trouble.request = () => undefined
    a.fault = () => undefined
    end()
    expect(await a.until(first)).toMatchObject({ code: 'REJECTED' })
    expect(await refusalOf(a.until(tool(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none' })
    expect(a.downstream.effects('b')).toBe(0)
    a.downstream.release('a')
    expect(await a.until(again)).toEqual({ id: 1, ref: 'a' })
    const now = a.time.bootMs()
    expect(await a.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(a.time.bootMs()).toBe(now)
  })

  it('gets the turn of one that went away before it began, once its lease is over', async () => {
    const b = bench(UNSWEPT)
    const dead = bench({ beside: b, self: 'host/boot/2/2', ...UNSWEPT })
    const gone = dead.tool({ ...exclusive, prepare: () => new Promise<void>(() => undefined) })
    void gone(order('a')).catch(() => undefined)
    await settle()
    dead.trouble.request = () => {
      throw unavailable()
    }
    const [turn] = await turns(b)
    expect(turn?.leaseUntil).toBe(b.time.storeMs() + 600_000 + 30_000)
    const tool = b.tool(exclusive)
    b.time.stepStore(599_000)
    expect(await refusalOf(b.until(tool(order('b'), { waitMs: 60_000 })))).toMatchObject({
      code: 'IN_PROGRESS',
      ticket: keyOf(b, tool, 'a').slice(4, 16),
    })
    expect(b.time.storeMs()).toBeLessThan(turn?.leaseUntil ?? 0)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(b.time.storeMs()).toBeGreaterThanOrEqual(turn?.leaseUntil ?? 0)
    expect(await b.history(turn?.key ?? '')).toEqual(['T1 absent>claimed', 'T4 claimed>claimed', 'T3 claimed>released'])
  })

  it('waits for one that prepares for longer than the turn lasts', async () => {
    const [a, b] = await pair()
    let go = (): void => {}
    const prepare = (): Promise<void> => new Promise<void>((resolve) => (go = resolve))
    const slow = a.tool({ ...exclusive, timeout: '1h', prepare })
    const there = b.tool(exclusive)
    a.downstream.plan('a', 'hold')
    const first = slow(order('a'))
    await a.time.advance(700_000)
    expect(await refusalOf(b.until(there(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none' })
    go()
    await settle()
    expect(await refusalOf(b.until(there(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none' })
    expect(a.downstream.log).toEqual(['a:hold'])
    a.downstream.release('a')
    await a.until(first)
    expect(await b.until(there(order('b')))).toEqual({ id: 1, ref: 'b' })
  })

  it('gets the turn that a doubt had kept as soon as the doubt is settled', async () => {
    const [a, b] = await pair()
    const tool = a.tool(exclusive)
    const there = b.tool(exclusive)
    a.downstream.plan('a', 'lose-answer')
    const doubt = await refusalOf(a.until(tool(order('a'))))
    expect(facts(doubt)).toMatchObject({ code: 'IN_DOUBT' })
    expect(await refusalOf(b.until(there(order('b'))))).toMatchObject({ code: 'IN_PROGRESS' })
    await a.guard.ledger.resolve(keyOf(a, tool, 'a'), { verdict: 'committed', who: 'eve', note: 'seen', value: 1 })
    const began = b.time.bootMs()
    expect(await b.until(there(order('b')))).toMatchObject({ ref: 'b' })
    expect(b.time.bootMs()).toBe(began)
  })
})

describe('a turn', () => {
  it('names its operation, and is nothing that anybody recovers or counts', async () => {
    const b = bench()
    const tool = b.tool({
      ...exclusive,
      amount: 'amount',
      recovery: { class: 'probe', probe: () => undefined, settleMs: 0 },
    })
    const during: unknown[] = []
    b.fault = async (point) => {
      if (point === 'marked') during.push(...(await turns(b)))
    }
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: (input: OrderInput) => tool({ ...order('a'), note: input.ref, amount: 5 }),
    })
    await b.guard.run({ id: 'r', session: 's' }, () => b.until(parent({ ref: 'p' })))
    const operation = b.record(tool, order('a'))!
    expect(operation).toMatchObject({ amount: 5, recovery: 'probe', parent: { ordinal: 0 } })
    const turn = {
      tool: 'exclusive',
      state: 'claimed',
      nonce: operation.key,
      input: operation.key,
      owner: 'host/boot/1/1',
      openSends: 0,
      recovery: 'manual',
      amount: undefined,
      parent: undefined,
      run: 'r',
      session: 's',
    }
    expect(during.at(-1)).toMatchObject(turn)
    const [ended] = await turns(b)
    expect(await b.history(ended?.key ?? '')).toEqual(['T1 absent>claimed', 'T3 claimed>released'])
    expect((await b.inner.history(ended?.key ?? '', 'default')).map(({ who }) => who)).toEqual(
      Array.from({ length: 2 }, () => 'host/boot/1/1'),
    )
  })

  it('that cannot be ended is taken from an operation that has ended, which is told as it ended', async () => {
    const b = bench(UNSWEPT)
    const tool = b.tool(exclusive)
    await b.until(tool(order('first')))
    const [{ key } = { key: '' }] = await turns(b)
    b.trouble.request = (verb, args) => {
      const { key: written, event } = (args[0] ?? {}) as { key?: string; event?: { to?: string } }
      if (verb === 'write' && written === key && event?.to === 'released') throw unavailable()
    }
    b.fault = (point) => (point === 'marked' ? b.time.stepStore(1) : undefined)
    expect(await b.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    b.trouble.request = () => undefined
    expect((await turns(b)).map(({ state }) => state)).toEqual(['claimed'])
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
  })

  it('that cannot be taken starts nothing, and is free for the next', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    await b.guard.open()
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    expect(await refusalOf(b.until(tool(order('a'))))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    b.trouble.request = () => undefined
    const began = b.time.bootMs()
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(b.time.bootMs()).toBe(began)
  })

  it('of an operation that was not even recorded is given back at once', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    const { key } = b.guard.internals.name(tool.contract, order('a'))
    b.fault = (point, at) => {
      if (point === 'before-claim' && at === key) throw unavailable()
    }
    expect(await refusalOf(b.until(tool(order('a'))))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect((await turns(b)).map(({ state }) => state)).toEqual(['released'])
    const began = b.time.bootMs()
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(b.time.bootMs()).toBe(began)
  })

  it('and a note have the keys that every version of the engine meets them by', async () => {
    const b = bench({ tenant: 'acme' })
    const tool = b.tool({ exclusive: ['account', 'ref'], near: { fields: ['account'], within: '1m', then: 'hold' } })
    await b.until(tool(order('a')))
    const { records } = await b.guard.ledger.list({ tenant: 'acme' })
    expect(Object.fromEntries(records.map((record) => [record.tool, record.key]))).toEqual({
      exclusive: 'of1_ySXAYyM2FSZOi_APwpEumA2B-J9KxcJ92sfAY77xGdI',
      'near:place_order': 'of1_sL1IROp3C3H2EmqGIrWHDiXSB1EwQkCGumlpENdH5Co',
      place_order: 'of1_4xsOoHbjGD4rUR86E_VpOhptDzsm4m1qiUACe8xOlc4',
    })
  })
})
