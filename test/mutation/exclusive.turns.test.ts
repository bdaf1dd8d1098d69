import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, type OrderInput } from './bench.ts'

describe('exclusive operations', () => {
  const exclusive = { exclusive: ['account'], timeout: '10m' }
  const order = (ref: string, account = 'x'): OrderInput => ({ ref, account })

  it('take turns in one process and across processes', async () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    const tool = b.tool(exclusive)
    const same = other.tool(exclusive)
    for (const ref of 'abc') b.downstream.plan(ref, 'hold')
    const calls = [tool(order('a')), tool(order('b')), same(order('c'))]
    await b.time.advance(2_000)
    expect(b.downstream.log).toEqual(['a:hold'])
    expect(await b.until(tool(order('d', 'y')))).toEqual({ id: 1, ref: 'd' })
    for (let turn = 0; turn < 3; turn += 1) {
      await b.time.advance(2_000)
      for (const ref of 'abc') b.downstream.release(ref)
    }
    await b.until(Promise.all(calls))
    expect(b.downstream.log.filter((line) => line !== 'd:ok').sort()).toEqual(['a:hold', 'b:hold', 'c:hold'])
  })

  it('past the budget: not started', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    const other = bench({ beside: b })
    const same = other.tool(exclusive)
    b.downstream.plan('a', 'hold')
    const first = tool(order('a'))
    await settle()
    const began = b.time.bootMs()
    const error = await refusalOf(b.until(same(order('b'), { waitMs: 60_000 })))
    expect(b.time.bootMs() - began).toBeGreaterThanOrEqual(30_000)
    expect(b.time.bootMs() - began).toBeLessThan(31_000)
    expect(facts(error)).toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'none',
      retryable: true,
      retryAfterMs: 1_000,
      key: other.guard.internals.name(same.contract, order('b')).key,
    })
    b.downstream.release('a')
    await b.until(first)
    expect(b.downstream.effects('b')).toBe(0)
  })

  it('a doubt keeps its turn until it is settled', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    b.downstream.plan('a', 'lose-answer')
    await refusalOf(b.until(tool(order('a'))))
    const doubt = b.record(tool, order('a'))!
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none' })
    b.time.stepStore(3_600_000)
    await b.until(b.guard.internals.tick())
    const error = await refusalOf(b.until(tool(order('b'))))
    expect(error).toMatchObject({ code: 'IN_PROGRESS', ticket: doubt.key.slice(4, 16) })
    await b.guard.ledger.resolve(doubt.key, { verdict: 'abandoned', who: 'ada', note: 'n' })
    expect(await b.until(tool(order('b'), { waitMs: 60_000 }))).toEqual({ id: 1, ref: 'b' })
  })

  it('one whose doubt came to nothing keeps its turn and goes on at once', async () => {
    const b = bench()
    const probe = (input: OrderInput) => b.downstream.find(input.ref)
    const tool = b.tool({ ...exclusive, sends: 'checked', recovery: { class: 'probe', settleMs: 0, probe } })
    b.downstream.plan('a', 'lose-request')
    const began = b.time.bootMs()
    expect(await b.until(tool(order('a'), { waitMs: 300_000 }))).toEqual({ id: 1, ref: 'a' })
    expect(b.time.bootMs() - began).toBeLessThan(120_000)
    expect(b.downstream.effects('a')).toBe(1)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
  })

  it('a refused one gives its turn back at once', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool(order('a'))))
    const began = b.time.bootMs()
    await b.until(tool(order('b')))
    expect(b.time.bootMs()).toBe(began)
    const turns = (await b.guard.ledger.list({ tool: 'exclusive' })).records
    expect(turns.map(({ state, recovery }) => [state, recovery])).toEqual([['released', 'manual']])
  })
})

describe('turns while a secret is rotated', () => {
  const exclusive = { exclusive: ['account'], timeout: '10m' }
  const order = (ref: string): OrderInput => ({ ref, account: 'x' })
  function rotated() {
    const past = bench({ keySecret: 'old' })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old', 'new'], self: 'host/boot/2/2' })
    return { past, now, old: past.tool(exclusive), tool: now.tool(exclusive) }
  }

  it('are taken by old and new processes one after the other', async () => {
    const { past, now, old, tool } = rotated()
    past.downstream.plan('a', 'hold')
    past.downstream.plan('b', 'hold')
    const first = old(order('a'))
    await settle()
    const second = tool(order('b'))
    await now.time.advance(2_000)
    expect(now.downstream.log).toEqual(['a:hold'])
    past.downstream.release('a')
    await past.until(first)
    await now.time.advance(2_000)
    const third = old(order('c'))
    await now.time.advance(2_000)
    expect(now.downstream.log).toEqual(['a:hold', 'b:hold'])
    now.downstream.release('b')
    await now.until(Promise.all([second, third]))
    const turns = (await now.guard.ledger.list({ tool: 'exclusive' })).records
    expect(turns.map(({ state }) => state)).toEqual(['released', 'released'])
  })

  it('are not taken from a doubt of before it, and none is kept by who came too late for another', async () => {
    const { past, now, old, tool } = rotated()
    past.downstream.plan('a', 'lose-answer')
    await refusalOf(past.until(old(order('a'))))
    const { key } = past.record(old, order('a'))!
    const ticket = key.slice(4, 16)
    expect(await refusalOf(now.until(tool(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none', ticket })
    const claimed = (await now.guard.ledger.list({ tool: 'exclusive', states: ['claimed'] })).records
    expect(claimed.map(({ nonce }) => nonce)).toEqual([key])
    await now.guard.ledger.resolve(key, { verdict: 'abandoned', who: 'ada', note: 'n' })
    expect(await now.until(tool(order('b'), { waitMs: 60_000 }))).toEqual({ id: 1, ref: 'b' })
  })

  it('are taken in one order by processes that name each other’s secret', async () => {
    const past = bench({ keySecret: 'old', previousSecrets: ['new'] })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
    const [old, tool] = [past.tool(exclusive), now.tool(exclusive)]
    expect(await now.until(Promise.all([old(order('a')), tool(order('b'))]))).toEqual([
      { id: 1, ref: 'a' },
      { id: 1, ref: 'b' },
    ])
  })
})
