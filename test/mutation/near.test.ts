import { describe, expect, it } from 'vitest'
import { bench, contractOf, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { pair } from './corners.ts'

const near = { near: { fields: ['account', 'amount'], within: '10m', then: 'hold' } }
const order = (ref: string, amount = 5): OrderInput => ({ ref, account: 'x', amount })
const ticket = (b: Bench, ref: string): string => b.guard.internals.name(contractOf(), order(ref)).key.slice(4, 16)
const notes = async (b: Bench) => (await b.guard.ledger.list({ tool: 'near:place_order' })).records
const held = (b: Bench, ref: string) => ({ code: 'HELD', effect: 'none', ticket: ticket(b, ref) })

describe('of near-duplicates', () => {
  it.each([true, false])('that are called together one runs and the others are held', async (localReads) => {
    const b = bench({ guarantees: { localReads } })
    const tool = b.tool(near)
    const ended = await b.until(Promise.allSettled(['a', 'b', 'c'].map((ref) => tool(order(ref)))))
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    for (const it of ended.slice(1)) expect((it as PromiseRejectedResult).reason).toMatchObject(held(b, 'a'))
    expect(b.downstream.log).toEqual(['a:ok'])
  })

  it('one is held while the earlier one waits for its turn, and runs where that never came', async () => {
    const b = bench()
    const tool = b.tool({ ...near, exclusive: ['account'], timeout: '10m' })
    b.downstream.plan('long', 'hold')
    const long = tool(order('long', 6))
    await settle()
    const first = refusalOf(tool(order('a')))
    await b.time.advance(29_000)
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    expect(await b.until(first)).toMatchObject({ code: 'IN_PROGRESS' })
    b.downstream.release('long')
    await b.until(long)
    // What waits for 30 s may claim within a lease of 30 s after that.
    b.time.stepStore(29_999)
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    b.time.stepStore(1)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(await refusalOf(b.until(tool(order('a'))))).toMatchObject(held(b, 'b'))
    expect(b.downstream.log).toEqual(['long:hold', 'b:ok'])
  })

  it.each([
    ['refused', 'refuse', 'rejected'],
    ['released', undefined, 'released'],
  ] as const)('one that follows a %s one runs, and holds the next', async (_name, fault, state) => {
    const b = bench()
    const prepare = (input: OrderInput): void => {
      if (input.ref === 'a' && fault === undefined) throw new Error('no')
    }
    const tool = b.tool({ ...near, prepare })
    if (fault !== undefined) b.downstream.plan('a', fault)
    await refusalOf(b.until(tool(order('a'))))
    expect(b.record(tool, order('a'))?.state).toBe(state)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    expect(await refusalOf(b.until(tool(order('c'))))).toMatchObject(held(b, 'b'))
    // Corrected, the first is the near-duplicate now.
    expect(await refusalOf(b.until(tool(order('a'))))).toMatchObject(held(b, 'b'))
  })

  it('one that was confirmed is the newest: the window begins with it', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    b.time.stepStore(599_999)
    await b.until(tool(order('b'), { confirm: ticket(b, 'a') }))
    b.time.stepStore(599_999)
    expect(await refusalOf(b.until(tool(order('c'), { confirm: ticket(b, 'a') })))).toMatchObject(held(b, 'b'))
    b.time.stepStore(1)
    expect(await b.until(tool(order('c')))).toEqual({ id: 1, ref: 'c' })
  })

  it('one in doubt holds the next', async () => {
    const b = bench()
    const tool = b.tool(near)
    b.downstream.plan('a', 'lose-answer')
    await refusalOf(b.until(tool(order('a'))))
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    expect(b.downstream.effects('b')).toBe(0)
  })

  it('the same operation once more meets its own note, and begins the window anew', async () => {
    const b = bench()
    const tool = b.tool(near)
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool(order('a'))))
    b.time.stepStore(300_000)
    expect(await b.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    b.time.stepStore(599_999)
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    expect(await notes(b)).toHaveLength(1)
  })

  it('one that could not be claimed is not held by its own note', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.guard.open()
    const { key } = b.guard.internals.name(tool.contract, order('a'))
    b.trouble.request = (verb, args) => {
      if (verb === 'write' && (args[0] as { key: string }).key === key) throw unavailable()
    }
    expect(await refusalOf(b.until(tool(order('a'))))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    b.trouble.request = () => undefined
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    expect(await b.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
  })

  it('one is held by a refused one that is about to try again', async () => {
    const b = bench()
    const tool = b.tool(near)
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool(order('a'))))
    b.time.stepStore(1)
    let go = (): void => {}
    const { key } = b.record(tool, order('a'))!
    b.fault = (point, at) =>
      point === 'before-claim' && at === key ? new Promise<void>((resolve) => (go = resolve)) : undefined
    const again = tool(order('a'))
    await b.time.advance(0)
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject(held(b, 'a'))
    go()
    expect(await b.until(again)).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.effects('b')).toBe(0)
  })

  it('of two engines that follow a refused one at the same moment one runs', async () => {
    const [a, b] = await pair()
    const tool = a.tool(near)
    const there = b.tool(near)
    a.downstream.plan('a', 'refuse')
    await refusalOf(a.until(tool(order('a'))))
    let met = false
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || met) return
      met = true
      await b.until(there(order('b')))
    }
    expect(await refusalOf(a.until(tool(order('c'))))).toMatchObject(held(a, 'b'))
    expect(a.downstream.log).toEqual(['a:refuse', 'b:ok'])
  })
})

describe('the note of a near-duplicate', () => {
  it('counts after the secret was rotated, until the next is left', async () => {
    const past = bench({ keySecret: 'old' })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
    const old = past.tool(near)
    const tool = now.tool(near)
    await past.until(old(order('a')))
    const { key } = past.record(old, order('a'))!
    const heldByOld = { code: 'HELD', effect: 'none', ticket: key.slice(4, 16) }
    expect(await refusalOf(now.until(tool(order('b'))))).toMatchObject(heldByOld)
    // The operation itself is no near-duplicate of its own.
    expect(await now.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    await now.until(tool(order('b'), { confirm: heldByOld.ticket }))
    const ticketOfB = now.record(tool, order('b'))!.key.slice(4, 16)
    expect(await refusalOf(now.until(tool(order('c'))))).toMatchObject({ code: 'HELD', ticket: ticketOfB })
    expect(await now.until(tool(order('c'), { confirm: ticketOfB }))).toEqual({ id: 1, ref: 'c' })
    expect(now.downstream.log).toEqual(['a:ok', 'b:ok', 'c:ok'])
  })

  it('under an older secret holds no retry of its own operation, and nobody once its window is over', async () => {
    const past = bench({ keySecret: 'old' })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
    const tool = now.tool(near)
    past.downstream.plan('a', 'refuse')
    await refusalOf(past.until(past.tool(near)(order('a'))))
    expect(await now.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    past.time.stepStore(600_000)
    expect(await now.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
  })

  it('names its operation, and is nothing that anybody recovers or counts', async () => {
    const b = bench()
    const tool = b.tool({
      ...near,
      amount: 'amount',
      recovery: { class: 'probe', probe: () => undefined, settleMs: 0 },
    })
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: (input: OrderInput) => tool({ ...order('a'), note: input.ref }),
    })
    await b.guard.run({ id: 'r', session: 's' }, () => b.until(parent({ ref: 'p' })))
    const [note] = await notes(b)
    const operation = b.record(tool, order('a'))!
    expect(operation).toMatchObject({ amount: 5, recovery: 'probe', parent: { ordinal: 0 } })
    expect(note).toMatchObject({
      state: 'claimed',
      nonce: operation.key,
      input: operation.key,
      owner: 'host/boot/1/1',
      leaseUntil: b.time.storeMs() + 600_000,
      openSends: 0,
      recovery: 'manual',
      amount: undefined,
      parent: undefined,
      run: 'r',
      session: 's',
    })
    expect(b.points.filter((point) => point === 'before-claim')).toHaveLength(3)
  })

  it('is of one tool, one tenant and the named fields', async () => {
    const b = bench()
    const tool = b.tool(near)
    const other = b.tool({ ...near, name: 'other' })
    await b.until(tool(order('a')))
    expect(await b.until(other(order('a')))).toEqual({ id: 2, ref: 'a' })
    expect(await b.until(tool(order('b', 6)))).toEqual({ id: 1, ref: 'b' })
    await b.guard.run({ tenant: 'acme' }, async () => {
      expect(await b.until(tool(order('c')))).toEqual({ id: 1, ref: 'c' })
    })
    expect(await refusalOf(b.until(tool(order('d'))))).toMatchObject(held(b, 'a'))
  })

  it('whose window is over holds nobody, also while it is being cleared away', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    b.time.stepStore(600_000)
    let meanwhile: Promise<unknown> | undefined
    b.trouble.request = async (verb, args) => {
      if (verb !== 'write' || meanwhile !== undefined) return
      if ((args[0] as { draft?: { state: string } }).draft?.state !== 'released') return
      meanwhile = tool(order('b'))
      await meanwhile.catch(() => undefined)
    }
    await b.until(b.guard.internals.tick())
    expect(await b.until(meanwhile as Promise<unknown>)).toEqual({ id: 1, ref: 'b' })
    expect(await refusalOf(b.until(tool(order('c'))))).toMatchObject(held(b, 'b'))
    expect((await notes(b)).map(({ state }) => state)).toEqual(['claimed'])
  })

  it('is cleared away once its window is over, in one step', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    const { key } = (await notes(b))[0]!
    b.time.stepStore(599_999)
    await b.until(b.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('claimed')
    b.time.stepStore(1)
    await b.until(b.guard.internals.tick())
    expect(await b.history(key)).toEqual(['T1 absent>claimed', 'T3 claimed>released'])
  })

  it('that cannot be left lets nothing run', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.guard.open()
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    expect(facts(await refusalOf(b.until(tool(order('a')))))).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
    })
    expect(b.downstream.log).toEqual([])
  })
})

describe('near-duplicates', () => {
  it('another operation with equal fields inside the window is held, until it is confirmed', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    const first = b.record(tool, order('a'))!.key
    const error = await refusalOf(b.until(tool(order('b'))))
    expect(facts(error)).toMatchObject({
      code: 'HELD',
      effect: 'none',
      ticket: first.slice(4, 16),
      details: { fields: ['account', 'amount'], earlier: first },
    })
    expect(await refusalOf(b.until(tool(order('b'), { confirm: 'other' })))).toMatchObject({ code: 'HELD' })
    expect(b.downstream.effects('b')).toBe(0)
    expect(await b.until(tool(order('b'), { confirm: first.slice(4, 16) }))).toEqual({ id: 1, ref: 'b' })
    // The same operation is a replay, another amount another matter.
    expect(await b.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    expect(await b.until(tool(order('c', 6)))).toEqual({ id: 1, ref: 'c' })
  })

  it('after the window, or when the earlier one did nothing, it runs', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    b.time.stepStore(600_000)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    const c = bench()
    const refused = c.tool(near)
    c.downstream.plan('a', 'refuse')
    await refusalOf(c.until(refused(order('a'))))
    expect(await c.until(refused(order('b')))).toEqual({ id: 1, ref: 'b' })
    const secret = bench({ keySecret: 's' })
    const hidden = secret.tool(near)
    await secret.until(hidden(order('a')))
    expect(await refusalOf(secret.until(hidden(order('b'))))).toMatchObject({ code: 'HELD' })
  })
})

describe('a sweep', () => {
  it('leaves the note of a near-duplicate until its window is over', async () => {
    const b = bench()
    const tool = b.tool({ near: { fields: ['account'], within: '10m', then: 'hold' } })
    await b.until(tool({ ref: 'a', account: 'x' }))
    const notes = async () =>
      (await b.guard.ledger.list({ tool: 'near:place_order' })).records.map(({ state }) => state)
    b.time.stepStore(599_999)
    await b.until(b.guard.internals.tick())
    expect(await notes()).toEqual(['claimed'])
    b.time.stepStore(1)
    await b.until(b.guard.internals.tick())
    expect(await notes()).toEqual(['released'])
  })
})

describe('a work list that is out of date', () => {
  it('ends no note before its window is over', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    const [note] = await notes(b)
    b.trouble.answer = (verb, _args, answer) =>
      verb === 'due' ? { ...(answer as object), records: [note] } : undefined
    await b.until(b.guard.internals.tick())
    expect((await notes(b)).map(({ state }) => state)).toEqual(['claimed'])
  })
})
