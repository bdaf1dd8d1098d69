import { expect, it } from 'vitest'
import { bench, refusalOf, type OrderInput } from './bench.ts'

const at = (ref: string) => (): OrderInput => ({ ref })

it('a saga that was undone is a step that failed: what came before it is undone, and nothing comes after it', async () => {
  const b = bench()
  const flight = b.guard.saga('flight', [
    { tool: b.tool({ name: 'seat' }), input: at('seat'), undo: { tool: b.tool({ name: 'free' }), input: at('free') } },
    { tool: b.tool({ name: 'pay' }), input: at('pay') },
  ])
  const trip = b.guard.saga('trip', [
    { tool: b.tool({ name: 'visa' }), input: at('visa'), undo: { tool: b.tool({ name: 'void' }), input: at('void') } },
    { tool: flight, input: () => ({}), undo: { tool: b.tool({ name: 'cancel' }), input: at('cancel') } },
    { tool: b.tool({ name: 'mail' }), input: at('mail') },
  ])
  b.downstream.plan('pay', 'refuse')
  const end = await b.until(trip({}))
  expect(end).toMatchObject({ status: 'undone', failed: 'flight', why: expect.stringContaining('pay') as string })
  expect(await b.until(trip({}))).toEqual(end)
  const effects = ['visa', 'void', 'seat', 'free', 'pay', 'cancel', 'mail'].map((ref) => b.downstream.effects(ref))
  expect(effects).toEqual([1, 1, 1, 1, 0, 0, 0])
})

it('a saga that is a step and was done is undone by its undo', async () => {
  const b = bench()
  const flight = b.guard.saga('flight', [{ tool: b.tool({ name: 'seat' }), input: at('seat') }])
  const cancel = b.guard.saga('cancel', [{ tool: b.tool({ name: 'free' }), input: at('free') }])
  const trip = b.guard.saga('trip', [
    { tool: flight, input: () => ({}), undo: { tool: cancel, input: () => ({}) } },
    { tool: b.tool({ name: 'mail' }), input: at('mail') },
  ])
  b.downstream.plan('mail', 'refuse')
  expect(await b.until(trip({}))).toMatchObject({ status: 'undone', failed: 'mail' })
  expect(['seat', 'free', 'mail'].map((ref) => b.downstream.effects(ref))).toEqual([1, 1, 0])
})

it('an undo that is a saga and was undone has undone nothing', async () => {
  const b = bench()
  const cancel = b.guard.saga('cancel', [
    { tool: b.tool({ name: 'ask' }), input: at('ask'), undo: 'none' },
    { tool: b.tool({ name: 'free' }), input: at('free') },
  ])
  const seat = b.tool({ name: 'seat' })
  const trip = b.guard.saga('trip', [
    { tool: seat, input: at('seat'), undo: { tool: cancel, input: () => ({}) } },
    { tool: b.tool({ name: 'mail' }), input: at('mail') },
  ])
  b.downstream.plan('mail', 'refuse')
  b.downstream.plan('free', 'refuse')
  expect(await refusalOf(b.until(trip({}, { waitMs: 1_000 })))).toMatchObject({ code: 'IN_DOUBT' })
  expect(b.record(seat, { ref: 'seat' })?.state).toBe('compensating')
})
