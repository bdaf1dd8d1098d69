import { afterAll, beforeAll, expect, it } from 'vitest'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import { mcpFetch, protectTools } from '../../src/adapter/ai-sdk/index.ts'
import { keyed, manual } from '../../src/index.ts'
import { testGuard } from '../support/guard.ts'

interface Message {
  readonly id?: number | string
  readonly method: string
  readonly params: {
    readonly arguments: { readonly order: string }
    readonly inputResponses?: object
    readonly _meta?: Readonly<Record<string, unknown>>
  }
}

const question = {
  method: 'elicitation/create',
  params: { mode: 'form', message: 'Really?', requestedSchema: { type: 'object' } },
}
const tool = { name: 'charge', inputSchema: { type: 'object', properties: { order: { type: 'string' } } } }

/** A server of MCP 2026-07-28 whose tool asks before it acts, and may lose the answer of the round that acts. */
let server: Server
let url: string
let lost = 0
const effects: string[] = []
const keys: unknown[] = []

function answerTo({ method, params }: Message): object | undefined {
  if (method === 'server/discover')
    return {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      serverInfo: { name: 'payments', version: '1' },
      ttlMs: 0,
      cacheScope: 'private',
    }
  if (method === 'tools/list') return { resultType: 'complete', tools: [tool], ttlMs: 0, cacheScope: 'private' }
  keys.push(params._meta?.['io.onefold/idempotency-key'])
  if (params.inputResponses === undefined)
    return { resultType: 'input_required', inputRequests: { sure: question }, requestState: 's' }
  effects.push(params.arguments.order)
  if (lost-- > 0) return undefined
  return { resultType: 'complete', content: [{ type: 'text', text: 'charged' }] }
}

beforeAll(async () => {
  server = createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      if (request.method !== 'POST') return response.writeHead(405).end()
      const message = JSON.parse(body) as Message
      const result = answerTo(message)
      if (result === undefined) return response.writeHead(503).end()
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
    })()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
})
afterAll(() => void server.close())

it.each([
  ['manual', manual(), 0, 'charged', 'committed'],
  ['keyed', keyed('24h'), 0, 'charged', 'committed'],
  ['manual, whose last answer is lost', manual(), 1, 'Do not call it again', 'in-doubt'],
] as const)(
  'a tool that asks in rounds, %s: one effect, under one key',
  async (title, recovery, losing, told, state) => {
    const guard = testGuard()
    lost = losing
    keys.length = 0
    const client = await createMCPClient({
      transport: { type: 'http', url, fetch: mcpFetch() },
      protocolVersion: '2026-07-28',
      capabilities: { elicitation: { form: {} } },
      maxRetries: 1,
    } as never)
    client.onElicitationRequest(ElicitationRequestSchema, () => ({ action: 'accept', content: {} }))
    const listed = await client.tools()
    const { charge } = protectTools(guard, listed, { charge: { identity: ['order'], recovery } } as never)
    const call = async (): Promise<string> =>
      await (charge as unknown as { execute(input: object, options: object): Promise<unknown> })
        .execute({ order: title }, { toolCallId: 'c', messages: [] })
        .then(
          (result) => JSON.stringify(result),
          (error: Error) => error.message,
        )
    expect(await call()).toContain(told)
    expect(await call()).toContain(told)
    await client.close()
    expect(effects.filter((order) => order === title)).toHaveLength(1)
    expect([keys.length, new Set(keys).size]).toEqual([2, 1])
    expect((await guard.ledger.list()).records.map((record) => record.state)).toEqual([state])
    await guard.close()
  },
)
