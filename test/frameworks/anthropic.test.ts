import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { createSdkMcpServer, tool as agentTool } from '@anthropic-ai/claude-agent-sdk'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/index.ts'
import {
  anthropicFetch,
  protectTools,
  toAgentTool,
  toAnthropic,
  toolContext,
} from '../../src/adapter/anthropic/index.ts'
import type { Guard, Run } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import {
  beforeAndAfter,
  charge,
  worldOn,
  type Charged,
  type ChargeInput,
  type Scenario,
  type World,
} from './support/scenario.ts'
import { startProvider, type Provider } from './support/provider.ts'

const inputSchema = z.object({ order: z.string(), amount: z.number() })
const once = { identity: ['order'], amount: 'amount', recovery: manual() } as const
const quiet = { warn: () => {} }

let provider: Provider
beforeAll(async () => {
  provider = await startProvider()
})
afterAll(async () => await provider.close())

const client = (guard?: Guard): Anthropic =>
  new Anthropic({
    apiKey: 'x',
    baseURL: provider.url,
    ...(guard === undefined ? {} : { fetch: anthropicFetch(guard) }),
  })

const chargeTool = (work: (input: ChargeInput) => Promise<Charged>) =>
  betaZodTool({
    name: 'charge',
    description: 'charges a card',
    inputSchema,
    run: async (input) => JSON.stringify(await work(input)),
  })

const toolsOf = (world: World, run?: Run) => {
  const tools = [chargeTool((input) => world.charge(input))]
  if (world.guard === undefined) return tools
  const contracts = world.contract === undefined ? {} : { charge: world.contract }
  return protectTools(world.guard, tools, contracts, { ...quiet, ...(run === undefined ? {} : { run }) })
}

const asked = (order: string) => ({
  model: 'm',
  max_tokens: 99,
  max_iterations: 5,
  messages: [{ role: 'user' as const, content: `charge ${order}` }],
})

const scenarios: readonly Scenario[] = [
  {
    title: 'the answer is lost and the model calls again',
    faults: ['lose-answer'],
    before: 2,
    act: async (world) => {
      await provider.plan({})
      await world.run(() =>
        client()
          .beta.messages.toolRunner({ ...asked(world.order), tools: toolsOf(world) })
          .runUntilDone(),
      )
    },
  },
  {
    title: 'a run is tried again after its second turn failed',
    faults: [],
    before: 2,
    act: async (world) => {
      await provider.plan({ faults: [null, 'refuse'] })
      const go = (): Promise<unknown> =>
        client()
          .beta.messages.toolRunner({ ...asked(world.order), tools: toolsOf(world) })
          .runUntilDone()
      await world.run(() => go().catch(go))
    },
  },
  {
    title: 'runToolsEagerly: the tool ran, the reply was cut, and the run is tried again',
    faults: [],
    before: 2,
    act: async (world) => {
      await provider.plan({ faults: ['cut'] })
      const go = (): Promise<unknown> =>
        client()
          .beta.messages.toolRunner({
            ...asked(world.order),
            tools: toolsOf(world),
            stream: true,
            runToolsEagerly: true,
          })
          .runUntilDone()
      await world.run(async () => {
        const first = go().catch(() => undefined)
        await world.downstream.until(world.order, 1)
        await provider.release()
        await first
        await go()
      })
    },
  },
]

beforeAndAfter('Anthropic tool runner', scenarios)

describe('the Anthropic SDK', () => {
  let downstream: Downstream
  let guard: Guard
  beforeAll(async () => {
    downstream = await startDownstream()
  })
  afterAll(async () => await downstream.close())
  beforeEach(() => {
    guard = testGuard()
  })
  afterEach(async () => await guard.close())
  const plain = chargeTool((input) => charge(downstream, input))

  it('shows the model byte for byte what it shows without protection', async () => {
    const shown: string[] = []
    for (const isProtected of [false, true]) {
      const own = await startDownstream()
      await provider.plan({})
      const tool = chargeTool((input) => charge(own, input))
      const tools = isProtected ? protectTools(guard, [tool], { charge: once }) : [tool]
      await client()
        .beta.messages.toolRunner({ ...asked('same'), tools })
        .runUntilDone()
      const [, second] = await provider.seen()
      shown.push((second ?? '').replaceAll(/toolu_[\w]+/g, 'toolu'))
      await own.close()
    }
    expect(shown[0]).toContain('effect-1')
    expect(shown[1]).toBe(shown[0])
  })

  it('[AG-7] does once what three calls of one turn ask for, and answers all three', async () => {
    const { order } = worldOn(downstream)
    await provider.plan({ calls: 3 })
    const tools = protectTools(guard, [plain], { charge: once })
    await guard.run({ id: order }, () =>
      client()
        .beta.messages.toolRunner({ ...asked(order), tools })
        .runUntilDone(),
    )
    expect(await downstream.effects(order)).toBe(1)
    const results = JSON.parse((await provider.seen())[1] ?? '{}') as { messages: { content: { content: string }[] }[] }
    const contents = results.messages.at(-1)?.content.map(({ content }) => content) ?? []
    expect(contents).toHaveLength(3)
    expect(new Set(contents).size).toBe(1)
  })

  it('[SH-2] does once what five sub-agents of one run want', async () => {
    const { order } = worldOn(downstream)
    await provider.plan({})
    const tools = protectTools(guard, [plain], { charge: once })
    const answers = await guard.run({ id: order }, () =>
      Promise.all(
        Array.from({ length: 5 }, () =>
          client()
            .beta.messages.toolRunner({ ...asked(order), tools })
            .runUntilDone(),
        ),
      ),
    )
    expect(await downstream.effects(order)).toBe(1)
    expect(answers.map(({ content }) => content.map((block) => block.type))).toEqual(Array(5).fill(['text']))
  })

  it('[BF-1] keeps the run that is bound explicitly, where the lazy runner loses the current one', async () => {
    const { order } = worldOn(downstream)
    await provider.plan({})
    const runs: (string | undefined)[] = []
    const tool = betaZodTool({
      name: 'charge',
      description: 'charges a card',
      inputSchema,
      run: (_input, context) => {
        runs.push(toolContext(context)?.run?.id)
        return 'ok'
      },
    })
    const { receipt, runner } = await guard.run({ id: order }, (run) => ({
      receipt: () => run.receipt(),
      runner: client().beta.messages.toolRunner({
        ...asked(order),
        tools: protectTools(guard, [tool], { charge: once }, { run }),
      }),
    }))
    await runner.runUntilDone()
    expect(runs).toEqual([order])
    expect((await receipt()).committed).toMatchObject([{ tool: 'charge', amount: 100 }])
  })

  it('[SH-9] runs an undeclared tool again once the model was shown its answer', async () => {
    const { order } = worldOn(downstream)
    await provider.plan({ repeats: 2 })
    const tools = protectTools(guard, [plain], {}, quiet)
    await guard.run({ id: order }, () =>
      client(guard)
        .beta.messages.toolRunner({ ...asked(order), tools })
        .runUntilDone(),
    )
    expect(await downstream.effects(order)).toBe(2)
  })

  it('hands on a ToolError as the tool threw it, and a repeat as a doubt', async () => {
    const { ToolError } = await import('@anthropic-ai/sdk/lib/tools/BetaRunnableTool').then(
      () => import('@anthropic-ai/sdk/lib/tools/ToolError'),
    )
    const { order } = worldOn(downstream)
    const tool = betaZodTool({
      name: 'charge',
      description: 'charges a card',
      inputSchema,
      run: async (input) => {
        await charge(downstream, input)
        throw new ToolError('the bank said no')
      },
    })
    const [guarded] = protectTools(guard, [tool], { charge: once })
    const input = { order, amount: 1 }
    await expect(guarded?.run(input)).rejects.toThrow('the bank said no')
    await expect(guarded?.run(input)).rejects.toThrow(/Do not call it again/)
    expect(await downstream.effects(order)).toBe(1)
  })

  it('takes a tool of guard.tool, and tools of the Claude Agent SDK behind their MCP server', async () => {
    const { order } = worldOn(downstream)
    await provider.plan({})
    const declared = guard.tool({
      name: 'charge',
      description: 'charges a card',
      input: inputSchema,
      effect: 'write',
      identity: ['order'],
      recovery: manual(),
      execute: async (input) => await charge(downstream, input),
    })
    await guard.run({ id: order }, () =>
      client()
        .beta.messages.toolRunner({ ...asked(order), tools: [toAnthropic(declared) as never] })
        .runUntilDone(),
    )
    const mail = agentTool('mail', 'sends a mail', { order: z.string() }, async ({ order: ref }) => ({
      content: [{ type: 'text', text: (await charge(downstream, { order: `mail-${ref}`, amount: 1 })).ref }],
    }))
    const tools = protectTools(guard, [mail], { mail: { identity: ['order'], recovery: manual() } })
    const { instance } = createSdkMcpServer({
      name: 'shop',
      tools: [...tools, toAgentTool(declared, inputSchema.shape) as never],
    })
    const [here, there] = InMemoryTransport.createLinkedPair()
    const mcp = new Client({ name: 'agent', version: '1' })
    await Promise.all([instance.connect(there as never), mcp.connect(here)])
    const results = []
    for (let time = 0; time < 2; time += 1) results.push(await mcp.callTool({ name: 'mail', arguments: { order } }))
    const charged = await mcp.callTool({ name: 'charge', arguments: { order, amount: 100 } })
    await mcp.close()
    expect(results[1]).toEqual(results[0])
    expect(JSON.stringify(charged)).toContain(order)
    expect([await downstream.effects(order), await downstream.effects(`mail-${order}`)]).toEqual([1, 1])
  })
})
