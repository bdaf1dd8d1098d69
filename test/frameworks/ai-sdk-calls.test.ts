import { createMCPClient } from '@ai-sdk/mcp'
import { createMCPClient as createMCPClient6 } from '@ai-sdk/mcp-6'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { ToolSet } from 'ai'
import { keyed, manual, probe } from '../../src/index.ts'
import { mcpFetch, protectModel, protectTools, toAiSdk, toolContext } from '../../src/adapter/ai-sdk/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { charge, worldOn } from './support/scenario.ts'
import { startMcpServer, type McpServerProgram } from './support/mcp-server.ts'
import { MAJORS, outputOf, persistent, scriptedModel, text, toolCall, type AiSdk } from './support/ai-sdk.ts'

const inputSchema = z.object({ order: z.string(), amount: z.number() })
const quiet = { warn: () => {} }
const once = { identity: ['order'] as const, amount: 'amount' as const, recovery: manual() }

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

let orders = 0
const newOrder = (): string => `call-order-${++orders}`
const chargeTool = ({ ai }: AiSdk) =>
  ai.tool({ description: 'charges a card', inputSchema, execute: async (input) => await charge(downstream, input) })

/** A model that asks for these calls in one turn, and then answers. */
const inOneTurn = (sdk: AiSdk, calls: readonly unknown[]) =>
  scriptedModel(sdk, (prompt) =>
    outputOf(prompt) === undefined ? calls.map((input) => toolCall('charge', input)) : [text('Done.')],
  )

describe.each(MAJORS)('$name', (sdk) => {
  const { ai } = sdk
  const stopWhen = ai.stepCountIs(6)

  it('shows the model byte for byte what it shows without protection', async () => {
    const transcripts = await Promise.all(
      [false, true].map(async (isProtected) => {
        const own = await startDownstream()
        const tools = {
          charge: ai.tool({ inputSchema, execute: async (input) => await charge(own, input) }),
          say: ai.tool({ inputSchema: z.object({ to: z.string() }), execute: ({ to }) => `said it to ${to}` }),
        }
        const { model, shown } = scriptedModel(sdk, (_prompt, sample) =>
          sample === 1
            ? [toolCall('charge', { order: 'same', amount: 100 }), toolCall('say', { to: 'Ada' })]
            : [text('Done.')],
        )
        const used = isProtected
          ? protectTools(guard, tools, { charge: once, say: { identity: ['to'], recovery: manual() } })
          : tools
        const result = await guard.run({ id: 'r' }, () =>
          ai.generateText({ model, tools: used, stopWhen, prompt: 'go' }),
        )
        await own.close()
        return {
          shown: JSON.stringify(shown),
          results: JSON.stringify(result.steps[0]?.toolResults.map(({ output }) => output)),
        }
      }),
    )
    expect(transcripts[1]).toEqual(transcripts[0])
    expect(transcripts[0]?.shown).toContain('effect-1')
  })

  it('[AG-7] does once what three calls of one planner turn ask for, and answers all three', async () => {
    const order = newOrder()
    const { model, shown } = inOneTurn(sdk, Array(3).fill({ order, amount: 100 }))
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, { charge: once })
    await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
    expect(await downstream.effects(order)).toBe(1)
    expect(shown).toHaveLength(3)
    expect(new Set(shown.map((output) => JSON.stringify(output))).size).toBe(1)
  })

  it('[SH-2] does once what five sub-agents of one run want, and all five get the answer', async () => {
    const order = newOrder()
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, { charge: once })
    const shown = await guard.run({ id: order }, () =>
      Promise.all(
        Array.from({ length: 5 }, async () => {
          const agent = scriptedModel(sdk, persistent({ order, amount: 100 }))
          await ai.generateText({ model: agent.model, tools, stopWhen, prompt: 'charge' })
          return agent.shown
        }),
      ),
    )
    expect(await downstream.effects(order)).toBe(1)
    expect(shown.flat().map((output) => JSON.stringify(output))).toEqual(Array(5).fill(JSON.stringify(shown[0]?.[0])))
  })

  it('[SH-9] does twice what is wanted twice: the occurrence tells the second', async () => {
    const order = newOrder()
    const schema = z.object({ order: z.string(), amount: z.number(), copy: z.number().optional() })
    const tools = protectTools(
      guard,
      { charge: ai.tool({ inputSchema: schema, execute: async (input) => await charge(downstream, input) }) },
      { charge: { ...once, occurrenceField: 'copy' } },
    )
    const { model, shown } = inOneTurn(
      sdk,
      [1, 2, 2].map((copy) => ({ order, amount: 100, copy })),
    )
    await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
    expect(await downstream.effects(order)).toBe(2)
    expect(shown).toHaveLength(3)
  })

  it('[BF-7] recognises an operation that the model words anew', async () => {
    const order = newOrder()
    const schema = z.object({ order: z.string(), amount: z.number(), note: z.string() })
    const tools = protectTools(
      guard,
      {
        charge: ai.tool({
          inputSchema: schema,
          execute: async ({ order: ref, amount }) => await charge(downstream, { order: ref, amount }),
        }),
      },
      { charge: { ...once, ignore: ['note'] } },
    )
    for (const note of ['please', 'with pleasure'])
      await guard.run({ id: order }, () =>
        ai.generateText({
          model: scriptedModel(sdk, persistent({ order, amount: 100, note })).model,
          tools,
          stopWhen,
          prompt: note,
        }),
      )
    expect(await downstream.effects(order)).toBe(1)
  })

  it('tells the model of a doubt not to repeat it, and how it is settled', async () => {
    const order = newOrder()
    await downstream.plan(order, 'lose-answer')
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, { charge: once })
    const { model, shown } = scriptedModel(sdk, persistent({ order, amount: 100 }))
    await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
    expect(shown[0]).toMatchObject({
      type: 'error-text',
      value: expect.stringMatching(/may have happened.*Do not call it again.*settled by a person/),
    })
    expect(String(shown[0]?.value)).not.toMatch(/try again/i)
    expect(await downstream.effects(order)).toBe(1)
  })

  it('[AG-5] tells the model that what is accepted is not yet done', async () => {
    const order = newOrder()
    let isDone = false
    const tools = protectTools(
      guard,
      { charge: chargeTool(sdk) },
      {
        charge: {
          ...once,
          recovery: probe(() => ({ found: 'unknown' }), { settle: '1s' }),
          verify: () => (isDone ? true : undefined),
        },
      },
    )
    const agent = scriptedModel(sdk, persistent({ order, amount: 100 }))
    const run = async () =>
      await guard.run({ id: order }, async (it) => {
        await ai.generateText({ model: agent.model, tools, stopWhen, prompt: 'go' })
        return await it.receipt()
      })
    expect((await run()).accepted).toHaveLength(1)
    expect(JSON.stringify(agent.shown[0])).toContain('not yet confirmed')
    isDone = true
    const confirmed = Promise.withResolvers<void>()
    guard.on('transition', ({ event }) => {
      if (event.to === 'committed') confirmed.resolve()
    })
    await guard.internals.tick()
    await confirmed.promise
    expect((await run()).committed).toHaveLength(1)
    expect(JSON.stringify(agent.shown.at(-1))).not.toContain('not yet confirmed')
    expect(await downstream.effects(order)).toBe(1)
  })

  it('commits a streaming tool at its last result, and replays that', async () => {
    const order = newOrder()
    const streaming = ai.tool({
      inputSchema,
      async *execute(input: { order: string; amount: number }) {
        yield { step: 'asking' } as { step: string; id?: string }
        yield { step: 'done', ...(await charge(downstream, input)) }
      },
    })
    const tools = protectTools(guard, { charge: streaming }, { charge: once })
    const seen = async (): Promise<readonly unknown[]> => {
      const { model } = scriptedModel(sdk, persistent({ order, amount: 100 }))
      const result = ai.streamText({ model, tools, stopWhen, prompt: 'go' })
      const outputs: unknown[] = []
      for await (const part of result.fullStream)
        if (part.type === 'tool-result')
          outputs.push([(part as { preliminary?: boolean }).preliminary ?? false, part.output])
      return outputs
    }
    const done = { step: 'done', id: expect.any(String), ref: order }
    expect(await guard.run({ id: order }, seen)).toEqual([
      [true, { step: 'asking' }],
      [true, done],
      [false, done],
    ])
    expect(await guard.run({ id: order }, seen)).toEqual([
      [true, done],
      [false, done],
    ])
    expect(await downstream.effects(order)).toBe(1)
  })

  it('takes a tool of guard.tool, with its description and schema', async () => {
    const order = newOrder()
    const refund = guard.tool({
      name: 'refund',
      description: 'gives money back',
      input: z.object({ order: z.string().trim(), amount: z.number() }),
      effect: 'write',
      identity: ['order'],
      recovery: manual(),
      execute: async (input) => await charge(downstream, input),
    })
    const { model, shown } = scriptedModel(sdk, persistent({ order: ` ${order} `, amount: 5 }, 'refund'))
    const tools: ToolSet = { refund: toAiSdk(refund) }
    await guard.run({ id: order }, async () => {
      await ai.generateText({ model, tools, stopWhen, prompt: 'go' })
      await refund({ order, amount: 5 })
    })
    expect(await downstream.effects(order)).toBe(1)
    expect(shown[0]).toMatchObject({ type: 'json', value: { ref: order } })
    expect(tools['refund']?.description).toBe('gives money back')
  })

  it('hands reads and tools without execute back as they are, and a tool its key', async () => {
    let key: string | undefined
    const tools = {
      read: ai.tool({ inputSchema, execute: () => 1 }),
      client: ai.tool({ inputSchema }),
      charge: ai.tool({
        inputSchema,
        execute: (_input, options) => {
          key = toolContext(options)?.downstreamKey('stripe')
          return 1
        },
      }),
    }
    const safe = protectTools(guard, tools, { read: 'read', charge: once })
    expect(safe.read).toBe(tools.read)
    expect(safe.client).toBe(tools.client)
    const { model } = scriptedModel(sdk, persistent({ order: newOrder(), amount: 1 }))
    await ai.generateText({ model, tools: safe as unknown as ToolSet, stopWhen, prompt: 'go' })
    expect(key).toMatch(/^\S{16,}$/)
    expect(() => protectTools(guard, tools, { reed: 'read' } as object)).toThrow(/no such tool; read is meant/)
  })

  describe('an MCP tool set', () => {
    let server: McpServerProgram
    beforeAll(async () => {
      server = await startMcpServer()
    })
    afterAll(async () => await server.close())
    const create = (sdk.major === 7 ? createMCPClient : createMCPClient6) as typeof createMCPClient
    // Only the newer major's client retries by itself.
    const settings = sdk.major === 7 ? [undefined, 2] : [undefined]

    it.each(settings)('maxRetries %s: three effects without protection', async (maxRetries) => {
      const order = newOrder()
      await server.plan(2, true)
      const client = await create({
        transport: { type: 'http', url: server.url },
        ...(maxRetries === undefined ? {} : { maxRetries }),
      })
      const { model, shown } = scriptedModel(sdk, persistent({ order, amount: 100 }))
      await ai.generateText({ model, tools: (await client.tools()) as ToolSet, stopWhen, prompt: 'go' })
      await client.close()
      expect(await server.effects(order)).toBe(3)
      expect(shown.filter(({ type }) => type.startsWith('error'))).toHaveLength(maxRetries === 2 ? 0 : 2)
    })

    it.each(
      settings.flatMap((maxRetries) => [
        { maxRetries, honours: true, contract: { ...once, recovery: keyed('24h') } },
        { maxRetries, honours: false, contract: once },
        { maxRetries, honours: false, contract: undefined },
      ]),
    )(
      'maxRetries $maxRetries, keys honoured $honours, contract $contract.recovery.class: one effect',
      async ({ maxRetries, honours, contract }) => {
        const order = newOrder()
        await server.plan(2, honours)
        const client = await create({
          transport: { type: 'http', url: server.url, fetch: mcpFetch() },
          ...(maxRetries === undefined ? {} : { maxRetries }),
        })
        const listed = (await client.tools()) as ToolSet
        const tools = protectTools(guard, listed, contract === undefined ? {} : { charge: contract as never }, quiet)
        const { model } = scriptedModel(sdk, persistent({ order, amount: 100 }))
        await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
        await client.close()
        expect(await server.effects(order)).toBe(1)
        const { records } = await guard.ledger.list()
        expect(records.map(({ state }) => state)).toEqual([honours ? 'committed' : 'in-doubt'])
      },
    )

    it('sends a call again that met an expired token: nothing has begun by then', async () => {
      const order = newOrder()
      await server.plan(0, false, false, 1)
      const inner = mcpFetch()
      // As the client's own transport does with an OAuth provider.
      const renewing = async (...given: Parameters<typeof fetch>): Promise<Response> => {
        const response = await inner(...given)
        return response.status === 401 ? await inner(...given) : response
      }
      const client = await create({ transport: { type: 'http', url: server.url, fetch: renewing } })
      const tools = protectTools(guard, (await client.tools()) as ToolSet, { charge: once as never })
      const { model, shown } = scriptedModel(sdk, persistent({ order, amount: 100 }))
      await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
      await client.close()
      expect(JSON.stringify(shown)).toContain('charged')
      expect(await server.effects(order)).toBe(1)
    })

    it('hands on an error that the server answered, does not commit it, and does not do it again', async () => {
      const order = newOrder()
      await server.plan(0, false, true)
      const client = await create({ transport: { type: 'http', url: server.url, fetch: mcpFetch() } })
      const tools = protectTools(guard, (await client.tools()) as ToolSet, { charge: once as never })
      const { model, shown } = scriptedModel(sdk, (_prompt, sample) =>
        sample <= 2 ? [toolCall('charge', { order, amount: 100 })] : [text('Done.')],
      )
      await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
      await client.close()
      expect(JSON.stringify(shown[0])).toContain('charged')
      expect(JSON.stringify(shown[1])).toContain('Do not call it again')
      expect(await server.effects(order)).toBe(1)
    })
  })

  it('protects a model and a tool set together, and a worker resumes the run by its id', async () => {
    const order = newOrder()
    const world = worldOn(downstream, guard)
    const script = scriptedModel(sdk, persistent({ order, amount: 100 }))
    const model = protectModel(guard, script.model)
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, { charge: once })
    const go = async (): Promise<string> => (await ai.generateText({ model, tools, stopWhen, prompt: 'go' })).text
    expect(world.order).not.toBe(order)
    expect(await guard.run({ id: order }, go)).toBe('Done.')
    const [samples, effects] = [script.samples(), await downstream.effects(order)]
    expect(await guard.run({ id: order }, go)).toBe('Done.')
    expect([samples, effects]).toEqual([2, 1])
    expect([script.samples(), await downstream.effects(order)]).toEqual([2, 1])
  })
})
