import { Agent, MCPServerStdio, run, setTracingDisabled, tool, type Model, type Tool } from '@openai/agents'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectMcpServer, protectTool } from '../../../src/adapter/openai-agents/index.ts'
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
  setTracingDisabled(true)
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const isSuccess = (answer: string): boolean => answer.includes('effect-')
const keyedOrder: Contracts = { place_order: { identity: ['ref'], ignore: ['note'], recovery: keyed('24h') } }
const parameters = z.object({ ref: z.string(), note: z.string(), amount: z.number() })

function orderTool(make: typeof tool, options: object = {}): Tool {
  return make({
    name: 'place_order',
    description: 'Places an order',
    parameters,
    execute: async (input) => {
      const answer = await send(`${downstream.url}/effects/${input.ref}`, {
        method: 'POST',
        body: JSON.stringify(input),
      })
      if (!answer.ok) throw new Error(`the order service answered ${answer.status}`)
      return (await answer.json()) as unknown
    },
    ...options,
  })
}

const agentOf = (model: Model, tools: Tool[]) => new Agent({ name: 'orders', instructions: 'Order.', model, tools })

/** Each promise first without protection, where the duplicate shows, then with it. */
const BOTH = [
  ['unprotected', undefined],
  ['protected', testGuard()],
] as const

function given(guard: Guard | undefined) {
  return {
    make: guard === undefined ? tool : protectTool(guard, tool, keyedOrder),
    inRun: <T>(id: string, work: () => Promise<T>): Promise<T> =>
      guard === undefined ? work() : guard.run({ id }, work),
    /** A name of its own in each variant. */
    ref: (name: string) => (guard === undefined ? `${name}-control` : name),
  }
}

describe.each(BOTH)('agents that want the same, %s', (_variant, guard) => {
  const { make, inRun, ref } = given(guard)

  it('five parallel sub-agents: one effect, five answers [SH-2]', async () => {
    const placeOrder = orderTool(make)
    const answers: string[][] = []
    const agentNo = async (n: number) => {
      const told: string[] = []
      answers.push(told)
      const call: Call = ['place_order', { ref: ref('five'), note: `for agent ${n}`, amount: 1 }]
      return run(agentOf(scriptedModel(persistent([call], isSuccess, told)), [placeOrder]), 'order')
    }
    await inRun('planner', () => Promise.all([1, 2, 3, 4, 5].map(agentNo)))
    expect(await downstream.effects(ref('five'))).toBe(guard === undefined ? 5 : 1)
    expect(answers.map((told) => told.filter(isSuccess).length)).toEqual([1, 1, 1, 1, 1])
    expect(new Set(answers.flat()).size).toBe(guard === undefined ? 5 : 1)
  })

  it('three calls in one planner turn with ids of their own: one effect, three answers [AG-7]', async () => {
    const told: string[] = []
    const call: Call = ['place_order', { ref: ref('three'), note: '', amount: 1 }]
    const model = scriptedModel(persistent([call, call, call], isSuccess, told))
    await inRun('turn', () => run(agentOf(model, [orderTool(make)]), 'order'))
    expect(await downstream.effects(ref('three'))).toBe(guard === undefined ? 3 : 1)
    expect(told.filter(isSuccess)).toHaveLength(3)
  })
})

it('two wanted orders that are equal both happen, and each only once [SH-9]', async () => {
  const guard = testGuard()
  const contracts: Contracts = {
    place_order: { identity: ['ref'], recovery: keyed('24h'), occurrenceField: 'amount' },
  }
  const both = [1, 2].map((amount): Call => ['place_order', { ref: 'wanted', note: '', amount }])
  const placeOrder = orderTool(protectTool(guard, tool, contracts))
  const attempt = () =>
    guard.run({ id: 'wanted' }, () => run(agentOf(scriptedModel(persistent(both, isSuccess)), [placeOrder]), 'order'))
  await attempt()
  await attempt()
  expect(await downstream.effects('wanted')).toBe(2)
})

describe('what the model reads', () => {
  it('is byte for byte what it was, on the path that succeeds', async () => {
    const results: Record<string, unknown> = {
      text: 'plain',
      object: { a: [1, { b: null }], c: 'ü' },
      nothing: undefined,
      image: { type: 'image', image: 'data:image/png;base64,AAAA' },
    }
    const names = Object.keys(results)
    const contracts = Object.fromEntries(names.map((name) => [name, { identity: 'all', recovery: manual() } as const]))
    const guard = testGuard()
    const seenBy = async (make: typeof tool) => {
      const told: string[] = []
      const tools = names.map((name) =>
        make({ name, description: name, parameters: z.object({}), execute: () => results[name] }),
      )
      const script = persistent(
        names.map((name): Call => [name, {}]),
        () => true,
        told,
      )
      await run(agentOf(scriptedModel(script), tools), 'go')
      return told
    }
    const plain = await seenBy(tool)
    expect(plain).toHaveLength(names.length)
    expect(await seenBy(protectTool(guard, tool, contracts))).toEqual(plain)
    const recorded = (await guard.ledger.list({})).records.length
    expect(await seenBy(protectTool(guard, tool, contracts)), 'and a replay of it').toEqual(plain)
    expect((await guard.ledger.list({})).records.length).toBe(recorded)
  })

  it.each([
    ['with the SDK’s own error text', {}],
    ['with an error function of the user', { errorFunction: () => 'Something went wrong. Please try again.' }],
  ])('never invites it to repeat a write whose outcome is unknown, %s', async (title, options) => {
    const ref = `doubt-${title.length}`
    await downstream.plan(ref, 'lose-answer')
    const guard = testGuard()
    const make = protectTool(guard, tool, { place_order: { identity: ['ref'], recovery: manual() } })
    const told: string[] = []
    const model = scriptedModel(persistent([['place_order', { ref, note: '', amount: 1 }]], isSuccess, told, 2))
    await run(agentOf(model, [orderTool(make, options)]), 'order')
    expect(told).toHaveLength(2)
    for (const answer of told) {
      expect(answer).toMatch(/outcome of place_order is unknown.*Do not call it again.*settled by a person\. Ticket /)
      expect(answer).not.toMatch(/try again/i)
    }
    expect(await downstream.requests(ref)).toHaveLength(1)
  })

  it('keeps the error of a tool that nothing came of, as the SDK shows it', async () => {
    await downstream.plan('refused', 'refuse', 'refuse')
    const answers = []
    for (const make of [tool, protectTool(testGuard(), tool, keyedOrder)]) {
      const told: string[] = []
      const call: Call = ['place_order', { ref: 'refused', note: '', amount: 1 }]
      await run(agentOf(scriptedModel(persistent([call], isSuccess, told, 1)), [orderTool(make)]), 'order')
      answers.push(told)
    }
    expect(answers[1]).toEqual(answers[0])
    expect(answers[0]).toEqual(['An error occurred while running the tool. Please try again.'])
  })

  it('and an approval that depends on the input still reads it parsed', async () => {
    const asked: unknown[] = []
    const make = protectTool(testGuard(), tool, keyedOrder)
    const needsApproval = (_context: unknown, input: { amount: number }): Promise<boolean> => {
      asked.push(input)
      return Promise.resolve(input.amount > 1_000)
    }
    const input = { ref: 'approved', note: '', amount: 1 }
    const model = scriptedModel(persistent([['place_order', input]], isSuccess))
    await run(agentOf(model, [orderTool(make, { needsApproval })]), 'order')
    expect(asked).toEqual([input])
  })
})

it('a built tool is refused, with the reason and the fix', () => {
  const built = orderTool(tool)
  expect(() => protectTool(testGuard(), built as never)).toThrow(
    /not a tool that it has built \(place_order\).*Write const tool = protectTool\(guard, agents\.tool\).*Nothing was protected/,
  )
})

describe('an MCP server', () => {
  const started = async (url: string, name = 'orders'): Promise<MCPServerStdio> => {
    const server = new MCPServerStdio({
      name,
      command: process.execPath,
      args: [fileURLToPath(new URL('./order-server.process.ts', import.meta.url))],
      env: { ...(process.env as Record<string, string>), DOWNSTREAM_URL: url },
    })
    await server.connect()
    return server
  }

  beforeAndAfter('OpenAI Agents with an MCP server', [
    {
      title: 'a lost answer becomes isError, and the model calls again',
      faults: ['lose-answer'],
      before: 2,
      act: async (world) => {
        const server = await started(world.downstream.url)
        const { guard, contract } = world
        const used =
          guard === undefined ? server : protectMcpServer(guard, server, { charge: contract }, { warn: () => {} })
        const model = scriptedModel(persistent([['charge', world.input]], isSuccess))
        const agent = new Agent({ name: 'orders', instructions: 'Charge.', model, mcpServers: [used] })
        try {
          await world.run(() => run(agent, 'charge'))
        } finally {
          await server.close()
        }
      },
    },
  ])

  it('answers byte for byte as before, also on a replay, and is told the run', async () => {
    const guard = testGuard()
    const server = await started(downstream.url)
    try {
      const used = protectMcpServer(guard, server, {
        charge: { identity: ['order'], recovery: manual() },
        run_of: 'read',
      })
      const call = { order: 'mcp', amount: 1 }
      const first = await used.callTool('charge', call)
      const again = await used.callTool('charge', call)
      expect(await downstream.effects('mcp')).toBe(1)
      expect(JSON.stringify(again)).toBe(JSON.stringify(first))
      expect(first).toEqual([{ type: 'text', text: expect.stringContaining('"ref":"mcp"') as string }])
      expect(await guard.run({ id: 'run-7' }, () => used.callTool('run_of', {}))).toEqual([
        { type: 'text', text: 'run-7' },
      ])
    } finally {
      await server.close()
    }
  })

  it.each([
    ['my crm', 'my-crm', 2],
    ['my-crm', 'my-crm', 1],
  ])('what %j did is not what %j is asked for: %i effects', async (one, other, effects) => {
    const guard = testGuard()
    const servers = await Promise.all([started(downstream.url, one), started(downstream.url, other)])
    const order = `${one} ${other}`
    try {
      for (const server of servers)
        await protectMcpServer(guard, server, {}, { warn: () => {} }).callTool('charge', { order, amount: 1 })
      expect(await downstream.effects(order)).toBe(effects)
    } finally {
      await Promise.all(servers.map((server) => server.close()))
      await guard.close()
    }
  })
})
