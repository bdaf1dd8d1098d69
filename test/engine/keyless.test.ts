import { tool as aiTool } from 'ai'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import * as z from 'zod'
import { protectTools } from '../../src/adapter/ai-sdk/index.ts'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { findOrder, orderTool, place, type OrderInput } from '../support/order-tool.ts'

let downstream: Downstream
let guard: Guard
let alarms: string[]
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())
beforeEach(() => {
  guard = testGuard()
  alarms = []
  guard.on('alarm', ({ message }) => alarms.push(message))
})
afterEach(() => guard.close())

/** As an existing tool does: with the global fetch, which carries no key. */
const withoutKey = (input: OrderInput) => place(downstream, input)

/** With a key that is sent by a client of the tool's own. */
const under = (key: string, input: OrderInput) =>
  place(downstream, input, (url, init) => fetch(url, { ...init, headers: { 'idempotency-key': key } }))

it('a keyed tool that sent under no key is not sent again, and a person settles it', async () => {
  const tool = orderTool(guard, downstream, { recovery: keyed('24h'), execute: withoutKey })
  await downstream.plan('plain', 'lose-answer')
  for (let call = 0; call < 3; call += 1)
    await expect(tool({ ref: 'plain' })).rejects.toMatchObject({
      code: 'IN_DOUBT',
      details: { reason: 'no-key' },
      message: expect.stringContaining('else by a person') as string,
    })
  expect(await downstream.effects('plain')).toBe(1)
})

it('nor is one whose deadline passed, once it is known to ask for none', async () => {
  let sends = 0
  const execute = async ({ ref }: OrderInput) => {
    sends += 1
    if (ref === 'slow') await new Promise(() => {})
    return { id: '', ref }
  }
  const tool = orderTool(guard, downstream, { recovery: keyed('24h'), timeout: '100ms', execute })
  await tool({ ref: 'quick' })
  for (let call = 0; call < 2; call += 1)
    await expect(tool({ ref: 'slow' })).rejects.toMatchObject({ code: 'IN_DOUBT', details: { reason: 'no-key' } })
  expect(sends).toBe(2)
})

it('a tool that had not come to its send is sent again, where it may ask for its key', async () => {
  let tries = 0
  const tool = orderTool(guard, downstream, {
    recovery: keyed('24h'),
    timeout: '200ms',
    execute: async (input, context) => {
      tries += 1
      if (tries === 1) await new Promise(() => {}) // its first deadline passes before it has asked for anything
      if (tries === 3) throw new Error('what it looks up first cannot be reached')
      return await place(downstream, input, context.fetch)
    },
  })
  expect(await tool({ ref: 'early-1' })).toMatchObject({ ref: 'early-1' })
  expect(await tool({ ref: 'early-2' })).toMatchObject({ ref: 'early-2' })
  expect([tries, await downstream.effects('early-1'), await downstream.effects('early-2')]).toEqual([4, 1, 1])
})

it('what failed before its send is sent again as soon as the tool has shown that it asks for its key', async () => {
  let reachable = false
  const tool = orderTool(guard, downstream, {
    recovery: keyed('24h'),
    execute: async (input, context) => {
      if (!reachable) throw new Error('what it looks up first cannot be reached')
      return await place(downstream, input, context.fetch)
    },
  })
  await expect(tool({ ref: 'outage' })).rejects.toMatchObject({ code: 'IN_DOUBT', details: { reason: 'no-key' } })
  reachable = true
  await expect(tool({ ref: 'outage' })).rejects.toMatchObject({ code: 'IN_DOUBT', details: { reason: 'no-key' } })
  expect(await downstream.effects('outage')).toBe(0)
  await tool({ ref: 'after' })
  expect(await tool({ ref: 'outage' })).toMatchObject({ ref: 'outage' })
  expect(await downstream.effects('outage')).toBe(1)
})

it('a tool of a framework that was left as it was: the same', async () => {
  const order = aiTool({ inputSchema: z.object({ ref: z.string() }), execute: withoutKey })
  const tools = protectTools(guard, { order }, { order: { identity: ['ref'], recovery: keyed('24h') } })
  const call = (toolCallId: string) =>
    (tools.order.execute as (input: OrderInput, options: unknown) => Promise<unknown>)(
      { ref: 'ai' },
      { toolCallId, messages: [] },
    )
  await downstream.plan('ai', 'lose-answer')
  await expect(call('call-1')).rejects.toThrow('is unknown')
  await expect(call('call-2')).rejects.toThrow('is unknown')
  expect(await downstream.effects('ai')).toBe(1)
})

it('where it can be asked, asking settles it', async () => {
  const recovery = keyed('24h', { probe: (input: OrderInput) => findOrder(downstream, input) })
  const tool = orderTool(guard, downstream, { recovery, execute: withoutKey })
  await downstream.plan('asked', 'lose-answer')
  expect(await tool({ ref: 'asked' })).toMatchObject({ ref: 'asked' })
  expect(await downstream.effects('asked')).toBe(1)
})

it.each<readonly [name: string, execute: (input: OrderInput, context: ToolContext) => ReturnType<typeof place>]>([
  ['downstreamKey', (input, context) => under(context.downstreamKey(), input)],
  ['key', (input, context) => under(context.key, input)],
  [
    'checkpoint, before a key of its own',
    (input, context) => {
      context.checkpoint()
      return under(`own-${input.ref}`, input)
    },
  ],
])('a tool that asked for its %s is sent again, and acts once', async (name, execute) => {
  const ref = `asks-${name.slice(0, 4)}`
  const tool = orderTool(guard, downstream, { recovery: keyed('24h'), execute })
  await downstream.plan(ref, 'lose-answer')
  expect(await tool({ ref })).toMatchObject({ ref })
  expect(await downstream.effects(ref)).toBe(1)
  expect(alarms).toEqual([])
})

it('a first answer without a key is an alarm, once for a tool', async () => {
  const tool = orderTool(guard, downstream, { recovery: keyed('24h'), execute: withoutKey })
  await tool({ ref: 'told-1' })
  await tool({ ref: 'told-2' })
  expect(alarms).toEqual([expect.stringContaining('sent nothing under its key')])
})
