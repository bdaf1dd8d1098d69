import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { tool as langChainTool } from '@langchain/core/tools'
import { tool as aiTool } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import * as aiSdk from '../../src/adapter/ai-sdk/index.ts'
import * as anthropic from '../../src/adapter/anthropic/index.ts'
import * as langChain from '../../src/adapter/langchain/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { manual } from '../../src/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { charge } from './support/scenario.ts'

let downstream: Downstream
let guard: Guard
beforeAll(async () => void (downstream = await startDownstream()))
afterAll(async () => await downstream.close())
beforeEach(() => void (guard = testGuard()))

const inputSchema = z.object({ order: z.string() })
const act = async ({ order }: { order: string }): Promise<string> =>
  JSON.stringify(await charge(downstream, { order, amount: 1 }))
const contracts = { pay: { identity: ['order'], recovery: manual() } } as const

interface Protected {
  /** Protects the tool again, with contracts or without. */
  again(given?: Partial<typeof contracts>): unknown
  call(tools: never, order: string): Promise<unknown>
  readonly converted: () => unknown
}

/** A tool of `guard.tool`, among others of its framework. */
const declared = () =>
  guard.tool({ name: 'pay', input: inputSchema, effect: 'write', ...contracts.pay, execute: (input) => act(input) })

const DOORS: Readonly<Record<string, () => Protected>> = {
  'the AI SDK': () => {
    const once = aiSdk.protectTools(guard, { pay: aiTool({ inputSchema, execute: act }) }, contracts)
    type Tools = { pay: { execute(input: object, options: object): Promise<unknown> } }
    return {
      again: (given = {}) => aiSdk.protectTools(guard, once, given),
      call: async (tools, order) =>
        await (tools as Tools).pay.execute({ order }, { toolCallId: `call for ${order}`, messages: [] }),
      converted: () => aiSdk.protectTools(guard, { pay: aiSdk.toAiSdk(declared()) }),
    }
  },
  Anthropic: () => {
    const pay = betaZodTool({ name: 'pay', description: 'p', inputSchema, run: act })
    const once = anthropic.protectTools(guard, [pay], contracts)
    return {
      again: (given = {}) => anthropic.protectTools(guard, once, given),
      call: async (tools, order) => await (tools as (typeof pay)[])[0]?.run({ order }),
      converted: () => anthropic.protectTools(guard, [anthropic.toAnthropic(declared())]),
    }
  },
  LangChain: () => {
    const pay = langChainTool(act, { name: 'pay', description: 'p', schema: inputSchema })
    const once = langChain.protectTools(guard, [pay], contracts)
    return {
      again: (given = {}) => langChain.protectTools(guard, once, given),
      call: async (tools, order) => await (tools as (typeof pay)[])[0]?.invoke({ order }),
      converted: () => langChain.protectTools(guard, [langChain.toLangChain(declared() as never, langChainTool)]),
    }
  },
}

describe.each(Object.entries(DOORS))('a tool of %s that is protected twice', (door, make) => {
  it('acts once: it is handed back as it is', async () => {
    const { again, call, converted } = make()
    const [first, second] = [`first ${door}`, `second ${door}`]
    await call(again() as never, first)
    await call(again() as never, first)
    expect(await downstream.effects(first)).toBe(1)
    guard = testGuard()
    await call(converted() as never, second)
    await call(converted() as never, second)
    expect(await downstream.effects(second)).toBe(1)
  })

  it('is refused with another contract, which would not count', () => {
    expect(() => make().again(contracts)).toThrow(/given pay, which is protected already, with a contract/)
  })
})
