import { Agent } from '@mastra/core/agent'
import { createTool } from '@mastra/core/tools'
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { protectStep, protectTool } from '../../../src/adapter/mastra/index.ts'
import { keyed, manual } from '../../../src/contract/index.ts'
import type { Contracts } from '../../../src/adapter/shared/index.ts'
import { onefoldFetch } from '../../../src/downstream/public.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { beforeAndAfter } from '../support/scenario.ts'
import { persistent, scriptedModel, type Call } from './model.ts'

const send = onefoldFetch()
let downstream: Downstream
beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(() => {})
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const isSuccess = (answer: string): boolean => answer.includes('effect-')
const inputSchema = z.object({ ref: z.string(), note: z.string().optional(), amount: z.number() })

async function placeOrder(url: string, input: { ref: string }): Promise<unknown> {
  const answer = await send(`${url}/effects/${input.ref}`, { method: 'POST', body: JSON.stringify(input) })
  if (!answer.ok) throw new Error(`the order service answered ${answer.status}`)
  return await answer.json()
}

const orderTool = (make: typeof createTool, url: string) =>
  make({ id: 'place_order', description: 'Places an order', inputSchema, execute: (input) => placeOrder(url, input) })

function agentOf(script: Parameters<typeof scriptedModel>[0], tools: object): Agent {
  return new Agent({
    id: 'orders',
    name: 'orders',
    instructions: 'Order.',
    model: scriptedModel(script) as never,
    tools: tools as never,
  })
}

beforeAndAfter('Mastra', [
  {
    title: 'an agent’s tool loses the answer, the model reads an error and calls again',
    faults: ['lose-answer'],
    before: 2,
    act: (world) => {
      const { guard, contract } = world
      const make =
        guard === undefined ? createTool : protectTool(guard, createTool, { charge: contract }, { warn: () => {} })
      const charge = make({
        id: 'charge',
        description: 'Charges an order',
        inputSchema: z.object({ order: z.string(), amount: z.number() }),
        execute: (input) => world.charge(input),
      })
      const agent = agentOf(persistent([['charge', world.input]], isSuccess), { charge })
      return world.run(() => agent.generate('charge', { maxSteps: 5 }))
    },
  },
  {
    title: 'a workflow step with retries: 2 loses the answer',
    faults: ['lose-answer'],
    before: 2,
    act: (world) => {
      const execute = () => world.charge(world.input)
      const recovery = world.contract?.recovery ?? manual()
      const step = createStep({
        id: 'charge',
        inputSchema: z.object({}),
        outputSchema: z.any(),
        retries: 2,
        execute: world.guard === undefined ? execute : protectStep(world.guard, execute, { name: 'charge', recovery }),
      })
      const workflow = createWorkflow({ id: 'orders', inputSchema: z.object({}), outputSchema: z.any() })
        .then(step)
        .commit()
      return world.run(async () => (await workflow.createRun()).start({ inputData: {} }))
    },
  },
])

const keyedOrder: Contracts = { place_order: { identity: ['ref'], ignore: ['note'], recovery: keyed('24h') } }

/** Each promise first without protection, where the duplicate shows, then with it. */
const BOTH = [
  ['unprotected', undefined],
  ['protected', testGuard()],
] as const

function given(guard: Guard | undefined) {
  return {
    make: guard === undefined ? createTool : protectTool(guard, createTool, keyedOrder),
    inRun: <T>(id: string, work: () => Promise<T>): Promise<T> =>
      guard === undefined ? work() : guard.run({ id }, work),
    /** A name of its own in each variant. */
    ref: (name: string) => (guard === undefined ? `${name}-control` : name),
  }
}

describe.each(BOTH)('agents that want the same, %s', (_variant, guard) => {
  const { make, inRun, ref } = given(guard)

  it('five parallel sub-agents: one effect, five answers [SH-2]', async () => {
    const place_order = orderTool(make, downstream.url)
    const answers: string[][] = []
    const agentNo = async (n: number) => {
      const told: string[] = []
      answers.push(told)
      const call: Call = ['place_order', { ref: ref('five'), note: `for agent ${n}`, amount: 1 }]
      return agentOf(persistent([call], isSuccess, told), { place_order }).generate('order', { maxSteps: 3 })
    }
    await inRun('planner', () => Promise.all([1, 2, 3, 4, 5].map(agentNo)))
    expect(await downstream.effects(ref('five'))).toBe(guard === undefined ? 5 : 1)
    expect(answers.map((told) => told.filter(isSuccess).length)).toEqual([1, 1, 1, 1, 1])
    expect(new Set(answers.flat()).size).toBe(guard === undefined ? 5 : 1)
  })

  it('three calls in one planner turn with ids of their own: one effect, three answers [AG-7]', async () => {
    const told: string[] = []
    const call: Call = ['place_order', { ref: ref('three'), amount: 1 }]
    const tools = { place_order: orderTool(make, downstream.url) }
    await inRun('turn', () =>
      agentOf(persistent([call, call, call], isSuccess, told), tools).generate('order', { maxSteps: 3 }),
    )
    expect(await downstream.effects(ref('three'))).toBe(guard === undefined ? 3 : 1)
    expect(told.filter(isSuccess)).toHaveLength(3)
  })
})

it('two wanted orders that are equal both happen, and each only once [SH-9]', async () => {
  const guard = testGuard()
  const contracts: Contracts = {
    place_order: { identity: ['ref'], recovery: keyed('24h'), occurrenceField: 'amount' },
  }
  const both = [1, 2].map((amount): Call => ['place_order', { ref: 'wanted', amount }])
  const tools = { place_order: orderTool(protectTool(guard, createTool, contracts), downstream.url) }
  const attempt = () =>
    guard.run({ id: 'wanted' }, () => agentOf(persistent(both, isSuccess), tools).generate('order', { maxSteps: 3 }))
  await attempt()
  await attempt()
  expect(await downstream.effects('wanted')).toBe(2)
})

it('without a contract: an equal call is new work once a model has been given the answer of the first', async () => {
  const guard = testGuard()
  const make = protectTool(guard, createTool, {}, { warn: () => {} })
  const call: Call = ['place_order', { ref: 'wanted-again', amount: 1 }]
  const agent = agentOf(persistent([call], isSuccess), { place_order: orderTool(make, downstream.url) })
  const { messages } = (await agent.generate('order', { maxSteps: 3 })).response as { messages?: unknown[] }
  const again = [{ role: 'user', content: 'order' }, ...(messages ?? []), { role: 'user', content: 'one more' }]
  await agent.generate(again as never, { maxSteps: 3 })
  expect(await downstream.effects('wanted-again')).toBe(2)
})

describe('what the model reads', () => {
  it('is byte for byte what it was, on the path that succeeds', async () => {
    const results: Record<string, unknown> = {
      text: 'plain',
      object: { a: [1, { b: null }], c: 'ü' },
      list: [1, 'two'],
    }
    const names = Object.keys(results)
    const contracts = Object.fromEntries(names.map((name) => [name, { identity: 'all', recovery: manual() } as const]))
    const guard = testGuard()
    const seenBy = async (make: typeof createTool) => {
      const told: string[] = []
      const tools = Object.fromEntries(
        names.map((name) => [
          name,
          make({ id: name, description: name, inputSchema: z.object({}), execute: async () => results[name] }),
        ]),
      )
      await agentOf(
        persistent(
          names.map((name): Call => [name, {}]),
          () => true,
          told,
        ),
        tools,
      ).generate('go', { maxSteps: 3 })
      return told
    }
    const plain = await seenBy(createTool)
    expect(plain).toHaveLength(names.length)
    expect(await seenBy(protectTool(guard, createTool, contracts))).toEqual(plain)
    expect(await seenBy(protectTool(guard, createTool, contracts)), 'and a replay of it').toEqual(plain)
  })

  it('says what to do of a write whose outcome is unknown, and never to repeat it', async () => {
    await downstream.plan('doubt', 'lose-answer')
    const make = protectTool(testGuard(), createTool, { place_order: { identity: ['ref'], recovery: manual() } })
    const told: string[] = []
    const call: Call = ['place_order', { ref: 'doubt', amount: 1 }]
    const tools = { place_order: orderTool(make, downstream.url) }
    await agentOf(persistent([call], isSuccess, told, 2), tools).generate('order', { maxSteps: 5 })
    expect(told).toHaveLength(2)
    for (const answer of told) {
      expect(answer).toMatch(/outcome of place_order is unknown.*Do not call it again.*settled by a person\. Ticket /)
      expect(answer).not.toMatch(/try again/i)
    }
    expect(await downstream.requests('doubt')).toHaveLength(1)
  })
})
