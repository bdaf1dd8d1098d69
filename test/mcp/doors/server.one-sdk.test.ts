import { describe, expect, it } from 'vitest'
import { acceptedContent, inputRequired, type McpServer as McpServer2 } from '@modelcontextprotocol/server'
import { Server as Server1 } from '@modelcontextprotocol/sdk/server/index.js'
import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import * as z from 'zod'
import { keyed, manual } from '../../../src/contract/index.ts'
import { protectServer, step, toolContext } from '../../../src/mcp/public.ts'
import { perTest } from './fixtures/per-test.ts'
import { receiptIn, SDKS, textIn, type TestTool } from './fixtures/served.ts'
import { registerOrder } from './fixtures/step-snippet.ts'
import { shopAt, text } from './fixtures/shop.ts'

const its = perTest()

const { act, CONTRACTS } = shopAt(() => its.downstream)

describe('what only one of the SDKs has', () => {
  const asking = (ref: string, effectBefore: (extra: object) => Promise<unknown>): TestTool => ({
    name: 'order',
    fields: ['ref', 'note'],
    run: async (_given, extra) => {
      await effectBefore(extra)
      const { inputResponses } = (extra as { mcpReq: { inputResponses?: never } }).mcpReq
      const schema = z.object({ confirm: z.boolean() })
      if (acceptedContent(inputResponses, 'confirm', schema) !== undefined) return text(`done ${ref}`)
      return inputRequired({
        inputRequests: { confirm: inputRequired.elicit({ message: 'a receipt by mail?', requestedSchema: schema }) },
      })
    },
  })

  it('control: v2, one callTool with a round of questions acts twice', async () => {
    const served = await SDKS.v2({ tools: [asking('round-control', () => act('round-control'))] })
    await (await served.connect()).call('order', { ref: 'round-control', note: '' })
    expect(await its.downstream.effects('round-control')).toBe(2)
    await served.close()
  })

  it('v2: rounds of questions are one operation, and a step of the handler happens once', async () => {
    const tools = [asking('round', (extra) => step(extra, 'order', () => act('round')))]
    const served = await SDKS.v2({ guard: its.guard, contracts: CONTRACTS, tools })
    const session = await served.connect()
    const first = await session.call('order', { ref: 'round', note: '' })
    expect(textIn(first)).toBe('"done round"')
    const again = await session.call('order', { ref: 'round', note: '' })
    expect(again.content).toEqual(first.content)
    expect(receiptIn(again)).toMatchObject({ status: 'replayed', key: receiptIn(first)['key'] })
    expect(await its.downstream.effects('round')).toBe(1)
    await served.close()
  })

  it('v2: a step whose result could not be kept is no result in the next round', async () => {
    let told: unknown = 'nothing'
    const place = async (extra: object): Promise<void> => {
      told = 'nothing'
      told = await step(extra, 'order', async () => new Response(JSON.stringify(await act('unkept'))))
    }
    const served = await SDKS.v2({ guard: its.guard, contracts: CONTRACTS, tools: [asking('unkept', place)] })
    const first = await (await served.connect()).call('order', { ref: 'unkept', note: '' })
    expect(told).toBe('nothing')
    expect(textIn(first)).toContain('Step order was done, but its value is missing')
    expect(await its.downstream.effects('unkept')).toBe(1)
    await served.close()
  })

  it('v2: the guide’s handler asks and places one order', async () => {
    const place = async (ref: string): Promise<string> => {
      await act(ref)
      return `order ${ref}`
    }
    const served = await SDKS.v2({
      guard: its.guard,
      contracts: { order: { identity: ['ref'], recovery: manual() } },
      tools: [],
      setUp: (server) => registerOrder(server as McpServer2, place),
    })
    const told = await (await served.connect()).call('order', { ref: 'guide' })
    expect(textIn(told)).toBe('order guide, with a mail')
    expect(await its.downstream.effects('guide')).toBe(1)
    await served.close()
  })

  it('v2: rounds carry one downstream key, which a keyed downstream honours', async () => {
    const tools = [asking('round-key', (extra) => act('round-key', toolContext(extra).fetch))]
    const contracts = { order: { identity: ['ref'] as const, recovery: keyed('24h') } }
    const served = await SDKS.v2({ guard: its.guard, contracts, tools })
    await (await served.connect()).call('order', { ref: 'round-key', note: '' })
    const keys = (await its.downstream.requests('round-key')).map((headers) => headers['idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
    expect(await its.downstream.effects('round-key')).toBe(1)
    await served.close()
  })

  it('the low-level Server of v1, and handlers set when the server was made', async () => {
    const low = protectServer(
      its.guard,
      new Server1({ name: 'low', version: '1' }, { capabilities: { tools: {} } }),
      CONTRACTS,
    )
    low.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: [{ name: 'order', inputSchema: { type: 'object' as const } }],
    }))
    low.setRequestHandler(
      CallToolRequestSchema,
      async ({ params }) => (await act(String(params.arguments?.['ref']))) as never,
    )
    const early = new McpServer1({ name: 'early', version: '1' }, { capabilities: { tools: {} } })
    protectServer(its.guard, early, { order: CONTRACTS?.['order'] as never }, { name: 'early' })
    early.registerTool('order', { inputSchema: { ref: z.string() } }, async ({ ref }) => (await act(ref)) as never)
    for (const [name, server] of Object.entries({ low, early })) {
      const [near, far] = InMemoryTransport.createLinkedPair()
      const client = new Client1({ name: 'c', version: '1' })
      await server.connect(far)
      await client.connect(near)
      const given = { name: 'order', arguments: { ref: `made-${name}` } }
      await client.callTool(given)
      expect(receiptIn((await client.callTool(given)) as never)).toMatchObject({ status: 'replayed' })
      expect((await client.listTools()).tools[0]?._meta?.['io.onefold/contract']).toMatchObject({ identity: ['ref'] })
      expect(await its.downstream.effects(`made-${name}`)).toBe(1)
      await client.close()
    }
  })

  it('a tool without a contract, called again after its answer arrived, is new work', async () => {
    const server = protectServer(its.guard, new McpServer1({ name: 's', version: '1' }))
    server.registerTool('note', { inputSchema: { ref: z.string() } }, async ({ ref }) => (await act(ref)) as never)
    const [near, far] = InMemoryTransport.createLinkedPair()
    const client = new Client1({ name: 'c', version: '1' })
    await server.connect(far)
    await client.connect(near)
    const given = { name: 'note', arguments: { ref: 'delivered' } }
    await client.callTool(given)
    await new Promise((resolve) => setImmediate(resolve))
    expect(receiptIn((await client.callTool(given)) as never)).toMatchObject({ suspectedRepeat: true, occurrence: 2 })
    expect(await its.downstream.effects('delivered')).toBe(2)
    await client.close()
  })
})
