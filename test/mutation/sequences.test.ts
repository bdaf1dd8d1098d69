import { expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { runFrom, carryRun } from '../../src/engine/index.ts'
import { bench, coded, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'

const input = { ref: 'x' }
const counted = (b: Bench, options: object = {}) =>
  b.tool({ name: 'toggle', identity: 'sequence', recovery: { class: 'manual' }, ...options })

it('two calls at once that went wrong are both retried as what they were', async () => {
  const b = bench()
  const turns: (() => void)[] = []
  let calls = 0
  const toggle = counted(b, {
    execute: async (order: OrderInput, context: ToolContext) => {
      const call = (calls += 1)
      if (call > 2) return await b.downstream.send(order, context)
      // The first acts and loses its answer, the second is refused after that.
      if (call === 1) await b.downstream.send(order, context)
      await new Promise<void>((resolve) => (turns[call - 1] = resolve))
      throw coded(call === 1 ? 'ECONNRESET' : 'DECLINED')
    },
  })
  await b.until(b.guard.open())
  await b.guard.run({ id: 'r' }, async () => {
    const ended = [toggle(input), toggle(input)].map(refusalOf)
    await settle()
    for (const [turn, go] of turns.entries()) {
      go()
      await b.until(ended[turn] as Promise<unknown>)
    }
    const [first] = (await b.guard.ledger.list({ states: ['in-doubt'] })).records
    // The retry of the first meets its doubt; it makes no third effect.
    expect(await refusalOf(b.until(toggle(input)))).toMatchObject({ code: 'IN_DOUBT', key: first?.key })
    await b.guard.ledger.resolve(first?.key ?? '', { verdict: 'committed', who: 'me', note: 'seen', value: 1 })
    expect(await b.until(toggle(input))).toBe(1)
    await b.until(toggle(input))
    expect(b.downstream.effects('x')).toBe(2)
    await b.until(toggle(input))
    expect(b.downstream.effects('x')).toBe(3)
  })
})

it('a run opened inside another without an id counts on with it', async () => {
  const b = bench()
  const toggle = counted(b)
  await b.until(b.guard.open())
  const agent = () =>
    b.guard.run({ id: 'r' }, async () => {
      await b.until(toggle(input))
      await b.guard.run({ session: 's' }, () => b.until(toggle(input)))
      await b.until(toggle(input))
    })
  await agent()
  expect(b.downstream.effects('x')).toBe(3)
  await agent()
  expect(b.downstream.effects('x')).toBe(3)
})

it('what a recovered operation calls is counted within it, whatever its run called beside it', async () => {
  const a = bench()
  const b = bench({ beside: a, self: 'host/boot/2/2' })
  const parts = (on: Bench) => {
    const toggle = counted(on)
    const saga = on.guard.saga('s', [
      { tool: on.tool({ name: 'first' }), input: () => ({ ref: 'first' }), undo: 'none' },
      { tool: toggle, input: () => input },
    ])
    return { toggle, saga }
  }
  const here = parts(a)
  parts(b)
  await a.until(a.guard.open())
  await a.guard.run({ id: 'r' }, async () => {
    await a.until(here.toggle(input))
    // The process dies between the steps.
    a.fault = (point) => (point === 'committed' ? new Promise(() => undefined) : undefined)
    void here.saga({}).catch(() => undefined)
    await settle()
  })
  a.trouble.request = () => {
    throw unavailable()
  }
  await b.until(b.guard.open())
  for (let second = 0; second < 40; second += 1) await b.time.advance(1_000)
  expect((await b.guard.ledger.list({ tool: 's' })).records).toMatchObject([{ state: 'committed' }])
  expect(a.downstream.effects('x')).toBe(2)
})

it('pieces of work that are handed on count each for itself, and as before when they come again', async () => {
  const b = bench()
  const toggle = counted(b)
  await b.until(b.guard.open())
  const pieces: object[] = []
  const outer = b.tool({
    name: 'outer',
    execute: () => {
      pieces.push(carryRun(), carryRun())
      return 0
    },
  })
  await b.guard.run({ id: 'r' }, () => b.until(outer({ ref: 'outer' })))
  for (const piece of [...pieces, ...pieces])
    await b.guard.run(runFrom(piece as Record<string, unknown>), () => b.until(toggle(input)))
  expect(b.downstream.effects('x')).toBe(2)
})
