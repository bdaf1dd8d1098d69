import { expect, it } from 'vitest'
import { Question, type OperationRecord } from '../../src/engine/index.ts'
import type { ToolContext } from '../../src/contract/index.ts'
import { bench, facts, refusalOf, type Bench, type OrderInput } from './bench.ts'

const input = { ref: 'a' }

/** A service that acts at every round, and then asks. */
const acting = (b: Bench) =>
  b.tool({
    execute: async (order: OrderInput, context: ToolContext) => {
      await b.downstream.send(order, context)
      return new Question({ more: true })
    },
  })

it('a round that was sent is never sent again, however many came after it', async () => {
  const a = bench()
  const tool = acting(a)
  a.downstream.honoursKeys = false
  const rounds = Array.from({ length: 40 }, (_, n) => `r${n}`)
  for (const round of [undefined, ...rounds]) await a.until(tool.perform(input, { round }))
  expect(a.downstream.effects('a')).toBe(41)
  const b = bench({ beside: a, self: 'host/boot/2/2' })
  const elsewhere = acting(b)
  for (const round of [undefined, ...rounds])
    expect(facts(await refusalOf(b.until(elsewhere.perform(input, { round }))))).toMatchObject({ code: 'IN_PROGRESS' })
  expect(a.downstream.effects('a')).toBe(41)
})

it('beside them the newest facts are kept, and no more of them than ever', async () => {
  const b = bench({ settings: { maxRecoveryBackoffMs: 250 } })
  const tool = b.tool({
    recovery: { class: 'probe', settleMs: 0, probe: () => ({ found: 'unknown', why: 'it is away' }) },
    execute: () => new Question({ more: true }),
  })
  for (const round of [undefined, 'x', 'y']) await b.until(tool.perform(input, { round }))
  await b.time.advance(601_000)
  for (let asked = 0; asked < 40; asked += 1) await b.time.advance(1_000)
  const { evidence } = b.record(tool, input) as OperationRecord
  expect(evidence.map(({ what }) => what)).toEqual([
    'round x was sent',
    'round y was sent',
    ...Array.from({ length: 32 }, () => 'it is away'),
  ])
})

it('a later round executes what `prepare` handed to the first', async () => {
  const b = bench()
  const seen: unknown[] = []
  let price = 5
  const tool = b.tool({
    prepare: (order: OrderInput) => ({ ...order, amount: (price += 1) }),
    execute: (order: OrderInput) => (seen.push(order) < 3 ? new Question({ amount: order.amount }) : { id: 1 }),
  })
  for (const round of [undefined, 'x', 'y']) await b.until(tool.perform(input, { round }))
  expect(seen).toEqual(Array.from({ length: 3 }, () => ({ ref: 'a', amount: 6 })))
})

it('of two engines that send the first round after a later one, one sends it', async () => {
  const a = bench()
  const b = bench({ beside: a, self: 'host/boot/2/2' })
  a.downstream.honoursKeys = false
  const here = acting(a)
  const there = acting(b)
  await b.until(b.guard.open())
  await a.until(here.perform(input, { round: 'x' }))
  expect(a.downstream.effects('a')).toBe(1)
  let met = false
  a.trouble.request = async (verb) => {
    if (verb !== 'write' || met) return
    met = true
    await b.until(there.perform(input))
  }
  expect(facts(await refusalOf(a.until(here.perform(input))))).toMatchObject({ code: 'IN_PROGRESS' })
  expect(a.downstream.effects('a')).toBe(2)
})
