import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, type OrderInput } from './bench.ts'
import { pair } from './corners.ts'

const exclusive = { exclusive: ['account'], timeout: '10m' }
const order = (ref: string): OrderInput => ({ ref, account: 'x' })

describe('what an operation calls on the record that it has', () => {
  it('acts within its turn, one call after the other, and lets nobody else in', async () => {
    const [a, b] = await pair()
    const child = a.tool(exclusive)
    const there = b.tool(exclusive)
    const parent = a.tool({
      ...exclusive,
      name: 'parent',
      recovery: { class: 'composite' },
      execute: () => Promise.all([child(order('a')), child(order('b'))]),
    })
    a.downstream.plan('a', 'hold')
    const whole = parent(order('p'))
    await settle()
    const elsewhere = there(order('c'))
    await a.time.advance(5_000)
    expect(a.downstream.log).toEqual(['a:hold'])
    a.downstream.release('a')
    expect(await a.until(whole)).toEqual([
      { id: 1, ref: 'a' },
      { id: 1, ref: 'b' },
    ])
    await b.until(elsewhere)
    expect(a.downstream.log).toEqual(['a:hold', 'b:ok', 'c:ok'])
  })

  it('gives up with its caller, or when the budget is over, and leaves the turn where it is', async () => {
    const b = bench()
    const child = b.tool(exclusive)
    const controller = new AbortController()
    const told: unknown[] = []
    const parent = b.tool({
      ...exclusive,
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async () => {
        const first = child(order('a'))
        const left = refusalOf(child(order('b'), { signal: controller.signal }))
        const late = refusalOf(child(order('c')))
        controller.abort()
        told.push(facts(await left), facts(await late))
        b.downstream.release('a')
        return await first
      },
    })
    b.downstream.plan('a', 'hold')
    expect(await b.until(parent(order('p'), { waitMs: 300_000 }))).toMatchObject({ ref: 'a' })
    expect(told).toMatchObject([
      { code: 'CANCELLED', effect: 'none' },
      {
        code: 'IN_PROGRESS',
        effect: 'none',
        ticket: b.guard.internals.name(parent.contract, order('p')).key.slice(4, 16),
      },
    ])
    expect(b.downstream.log).toEqual(['a:hold'])
  })
})
