import { expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { Question } from '../../src/engine/index.ts'
import { bench, facts, refusalOf, type OrderInput } from './bench.ts'

const at = (ref: string) => (): OrderInput => ({ ref })

it('a step that asks a question is not done: no later step runs before it is answered', async () => {
  const b = bench()
  let sent = 0
  const book = b.tool({
    name: 'book',
    execute: (input: OrderInput, context: ToolContext) =>
      (sent += 1) === 1 ? new Question({ which: 'seat' }) : b.downstream.send(input, context),
  })
  const saga = b.guard.saga('trip', [
    { tool: book, input: at('book'), undo: 'none' },
    { tool: b.tool({ name: 'pay' }), input: at('pay') },
  ])
  const error = await refusalOf(b.until(saga({}, { waitMs: 1_000 })))
  expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  expect([sent, b.downstream.effects('book'), b.downstream.effects('pay')]).toEqual([1, 0, 0])
  await b.until(book.perform({ ref: 'book' }, { round: 'seat 1' }))
  await b.time.advance(60_000)
  expect(await b.until(saga({}))).toMatchObject({ status: 'done' })
  expect([b.downstream.effects('book'), b.downstream.effects('pay')]).toEqual([1, 1])
})

it.each([true, false])('an undo that is only accepted has undone nothing until it is verified: %s', async (happens) => {
  const b = bench()
  let happened: boolean | undefined
  const book = b.tool({ name: 'book' })
  const cancel = b.tool({ name: 'cancel', verify: () => happened })
  b.downstream.plan('pay', 'refuse')
  const saga = b.guard.saga('trip', [
    { tool: book, input: at('book'), undo: { tool: cancel, input: at('cancel') } },
    { tool: b.tool({ name: 'pay' }), input: at('pay') },
  ])
  expect(await refusalOf(b.until(saga({}, { waitMs: 1_000 })))).toMatchObject({ code: 'IN_DOUBT' })
  expect(b.record(book, { ref: 'book' })?.state).toBe('compensating')
  happened = happens
  await b.time.advance(60_000)
  expect(b.record(cancel, { ref: 'cancel' })?.state).toBe(happens ? 'committed' : 'in-doubt')
  expect(b.record(book, { ref: 'book' })?.state).toBe(happens ? 'compensated' : 'compensating')
  if (happens) expect(await b.until(saga({}))).toMatchObject({ status: 'undone', failed: 'pay' })
  expect(b.downstream.effects('cancel')).toBe(1)
})

it('a compensation that asks a question has undone nothing', async () => {
  const b = bench()
  const tool = b.tool({ compensate: () => new Question({ sure: true }) })
  await b.until(tool({ ref: 'a' }))
  const error = await refusalOf(b.until(tool.compensate({ ref: 'a' })))
  expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown', retryable: true })
  expect(error.message).toContain('The undo of place_order has asked a question')
  expect(error.ticket).toBe(error.key?.slice(4, 16))
  expect(b.record(tool, { ref: 'a' })?.state).toBe('compensating')
})

it('a compensation in doubt has undone nothing, however its caller asked to be told', async () => {
  const b = bench()
  const tool = b.tool({
    compensate: async (_value: unknown, context: ToolContext) => {
      b.downstream.plan('undo', 'lose-answer')
      await b.downstream.send({ ref: 'undo' }, context)
    },
  })
  await b.until(tool({ ref: 'a' }))
  const error = await refusalOf(b.until(tool.compensate({ ref: 'a' }, { onDoubt: 'return' })))
  expect(error.code).toBe('IN_DOUBT')
  expect(b.record(tool, { ref: 'a' })?.state).toBe('compensating')
  b.time.pause(60_000)
  await b.until(b.guard.ledger.resolve(error.key ?? '', { verdict: 'committed', who: 'me', note: 'seen' }))
  await b.until(tool.compensate({ ref: 'a' }))
  expect(b.record(tool, { ref: 'a' })?.state).toBe('compensated')
  expect(b.downstream.effects('undo')).toBe(1)
})
