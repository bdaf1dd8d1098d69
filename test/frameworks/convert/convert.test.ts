import { tool as langChainTool } from '@langchain/core/tools'
import { Agent as MastraAgent } from '@mastra/core/agent'
import { createTool } from '@mastra/core/tools'
import { Agent, run, setTracingDisabled, tool as agentsTool } from '@openai/agents'
import { createAgent } from 'langchain'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { toLangChain } from '../../../src/adapter/langchain/index.ts'
import { toMastra } from '../../../src/adapter/mastra/index.ts'
import { toOpenAiAgents } from '../../../src/adapter/openai-agents/index.ts'
import type { Guard, ProtectedTool } from '../../../src/engine/index.ts'
import { keyed, manual } from '../../../src/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import * as langChain from '../langchain/model.ts'
import * as mastra from '../mastra/model.ts'
import * as agents from '../openai-agents/model.ts'

let downstream: Downstream
beforeAll(async () => {
  setTracingDisabled(true)
  for (const level of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(() => {})
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const schema = z.object({ ref: z.string(), count: z.string().transform(Number), note: z.string().optional() })
type Order = ProtectedTool<z.input<typeof schema>, unknown>

/** A tool of `guard.tool`, whose schema transforms its input. */
const orderTool = (guard: Guard, recovery: ReturnType<typeof keyed> | ReturnType<typeof manual>): Order =>
  guard.tool({
    name: 'place_order',
    description: 'Places an order',
    input: schema,
    effect: 'write',
    identity: ['ref'],
    ignore: ['note'],
    recovery,
    execute: async (input, { fetch }) => {
      expect(input.count).toBe(3)
      const answer = await fetch(`${downstream.url}/effects/${input.ref}`, {
        method: 'POST',
        body: JSON.stringify(input),
      })
      return (await answer.json()) as unknown
    },
  })

const isSuccess = (answer: string): boolean => answer.includes('effect-')

/** Each framework's agent with the tool, and what its scripted model was told. */
const FRAMEWORKS = {
  LangChain: async (order: Order, args: object, told: string[]) => {
    const answers: langChain.Told[] = []
    const model = new langChain.ScriptedModel(langChain.persistent([['place_order', { ...args }]], answers, 2))
    await createAgent({ model, tools: [toLangChain(order, langChainTool)] }).invoke({
      messages: [{ role: 'user', content: 'order' }],
    })
    told.push(...answers.map(({ content }) => content))
  },
  'OpenAI Agents': async (order: Order, args: object, told: string[]) => {
    const model = agents.scriptedModel(agents.persistent([['place_order', { ...args }]], isSuccess, told, 2))
    const tools = [toOpenAiAgents(order, agentsTool)]
    await run(new Agent({ name: 'orders', instructions: 'Order.', model, tools }), 'order')
  },
  Mastra: async (order: Order, args: object, told: string[]) => {
    const model = mastra.scriptedModel(mastra.persistent([['place_order', { ...args }]], isSuccess, told, 2))
    const tools = { place_order: toMastra(order, createTool) }
    await new MastraAgent({ id: 'a', name: 'a', instructions: 'Order.', model: model as never, tools }).generate(
      'order',
    )
  },
}

describe.each(Object.entries(FRAMEWORKS))('a tool of guard.tool in %s', (framework, agent) => {
  const ref = framework.replace(' ', '-')
  const args = { ref, count: '3', note: 'please' }
  let guard: Guard
  beforeEach(() => (guard = testGuard()))

  it('acts once, and its schema transforms its input once', async () => {
    await downstream.plan(ref, 'lose-answer')
    const order = orderTool(guard, keyed('24h'))
    const told: string[] = []
    await agent(order, args, told)
    await agent(order, { ...args, note: 'again' }, told)
    expect(await downstream.effects(ref)).toBe(1)
    expect(told).toHaveLength(2)
    expect(told.every(isSuccess)).toBe(true)
  })

  it('says what to do of an unknown outcome, and nothing of the framework’s beside it', async () => {
    await downstream.plan(`${ref}-doubt`, 'lose-answer')
    const told: string[] = []
    await agent(orderTool(guard, manual()), { ...args, ref: `${ref}-doubt` }, told)
    expect(told).toHaveLength(2)
    for (const answer of told) {
      expect(answer).toMatch(/outcome of place_order is unknown.*Do not call it again/)
      expect(answer).not.toMatch(/try again|fix your mistakes/i)
    }
    expect(await downstream.requests(`${ref}-doubt`)).toHaveLength(1)
  })
})

it('a schema that cannot tell its JSON Schema is refused, with the fix', () => {
  const tool = testGuard().tool({
    name: 'look',
    input: v.object({ ref: v.string() }),
    effect: 'read',
    execute: () => 'seen',
  })
  const makes = [
    () => toLangChain(tool, langChainTool),
    () => toMastra(tool, createTool),
    () => toOpenAiAgents(tool, agentsTool),
  ]
  for (const make of makes) expect(make).toThrow(/schema of look cannot tell its JSON Schema.*zod or arktype/)
})
