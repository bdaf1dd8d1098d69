/**
 * Everything that the conformance suite asks of a server of MCP 2025-11-25, on SDK v1: over Streamable HTTP with
 * `--http`, which prints its address, else over standard input and output.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport, type EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CompleteRequestSchema,
  ElicitResultSchema,
  CreateMessageResultSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js'
import * as z from 'zod'
import { FIXED, FORMS, image, LOGS, pause, sample, SCHEMA_2020_12, STEPS, text, PIXEL } from './things.ts'

const said = (value: string): CallToolResult => ({ content: [text(value)] })

function everything(): McpServer {
  const mcp = new McpServer(
    { name: 'everything-v1', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
    },
  )
  for (const [name, content] of Object.entries(FIXED)) {
    mcp.registerTool(name, { description: name }, () => ({ content: [...content] }) as CallToolResult)
  }
  mcp.registerTool('test_tool_with_logging', { description: 'Logs', inputSchema: {} }, async (_input, extra) => {
    for (const data of LOGS) {
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } })
      await pause(20)
    }
    return said('Tool with logging executed successfully')
  })
  mcp.registerTool(
    'test_tool_with_progress',
    { description: 'Tells its progress', inputSchema: {} },
    async (_input, extra) => {
      const progressToken = extra._meta?.progressToken ?? 0
      for (const progress of STEPS) {
        const params = { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` }
        await extra.sendNotification({ method: 'notifications/progress', params })
        await pause(20)
      }
      return said(String(progressToken))
    },
  )
  mcp.registerTool('test_error_handling', { description: 'Fails' }, () => {
    throw new Error('This tool intentionally returns an error for testing')
  })
  mcp.registerTool('test_reconnection', { description: 'Ends its stream', inputSchema: {} }, async (_input, extra) => {
    extra.closeSSEStream?.()
    await pause(100)
    return said('Reconnection test completed successfully.')
  })
  mcp.registerTool(
    'test_sampling',
    { description: 'Asks a model', inputSchema: { prompt: z.string() } },
    async ({ prompt }, extra) => {
      const request = { method: 'sampling/createMessage' as const, params: sample(prompt, 100) }
      const { content } = await extra.sendRequest(request, CreateMessageResultSchema)
      return said(`LLM response: ${content.type === 'text' ? content.text : ''}`)
    },
  )
  for (const [name, form] of Object.entries(FORMS)) {
    const inputSchema = { message: z.string().optional() }
    mcp.registerTool(name, { description: 'Asks a person', inputSchema }, async ({ message }, extra) => {
      const params = form(message ?? '')
      const request = { method: 'elicitation/create' as const, params: params as never }
      const { action, content } = await extra.sendRequest(request, ElicitResultSchema)
      return said(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)
    })
  }
  mcp.registerTool('json_schema_2020_12_tool', { description: 'Has a schema of its own', inputSchema: {} }, (input) =>
    said(`called with ${JSON.stringify(input)}`),
  )
  // The SDK takes Zod only; what the suite wants to see are words that Zod does not have.
  const handlers = (
    mcp.server as unknown as { _requestHandlers: Map<string, (...given: unknown[]) => Promise<unknown>> }
  )._requestHandlers
  const listed = handlers.get('tools/list')
  handlers.set('tools/list', async (...given) => {
    const result = (await listed?.(...given)) as { tools: { name: string; inputSchema: unknown }[] }
    for (const tool of result.tools) if (tool.name === 'json_schema_2020_12_tool') tool.inputSchema = SCHEMA_2020_12
    return result
  })
  mcp.registerResource('static-text', 'test://static-text', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
  }))
  mcp.registerResource('static-binary', 'test://static-binary', { mimeType: 'image/png' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'image/png', blob: PIXEL }],
  }))
  mcp.registerResource('watched-resource', 'test://watched-resource', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'Watched resource content' }],
  }))
  mcp.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  )
  mcp.server.setRequestHandler(SubscribeRequestSchema, () => ({}))
  mcp.server.setRequestHandler(UnsubscribeRequestSchema, () => ({}))
  mcp.server.setRequestHandler(SetLevelRequestSchema, () => ({}))
  mcp.server.setRequestHandler(CompleteRequestSchema, () => ({
    completion: { values: [], total: 0, hasMore: false },
  }))
  const user = (content: object) => ({ role: 'user' as const, content: content as never })
  mcp.registerPrompt('test_simple_prompt', { description: 'A prompt' }, () => ({
    messages: [user(text('This is a simple prompt for testing.'))],
  }))
  mcp.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'A prompt', argsSchema: { arg1: z.string(), arg2: z.string() } },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }),
  )
  mcp.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'A prompt', argsSchema: { resourceUri: z.string() } },
    ({ resourceUri: uri }) => ({
      messages: [
        user({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content.' } }),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  )
  mcp.registerPrompt('test_prompt_with_image', { description: 'A prompt' }, () => ({
    messages: [user(image), user(text('Please analyze the image above.'))],
  }))
  return mcp
}

/** Keeps every event, so that streams can be taken up again (SEP-1699). */
function eventStore(): EventStore {
  const events: { readonly id: string; readonly stream: string; readonly message: never }[] = []
  return {
    storeEvent: (stream, message) => {
      const id = `${stream}_${events.length}`
      events.push({ id, stream, message: message as never })
      return Promise.resolve(id)
    },
    getStreamIdForEventId: (id) => Promise.resolve(events.find((event) => event.id === id)?.stream),
    replayEventsAfter: async (after, { send }) => {
      const at = events.findIndex((event) => event.id === after)
      const stream = events[at]?.stream ?? ''
      for (const event of events.slice(at + 1)) {
        if (event.stream === stream && Object.keys(event.message).length > 0) await send(event.id, event.message)
      }
      return stream
    },
  }
}

if (!process.argv.includes('--http')) {
  await everything().connect(new StdioServerTransport())
} else {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const named = request.headers['mcp-session-id']
    let transport = typeof named === 'string' ? sessions.get(named) : undefined
    if (transport === undefined && named !== undefined) {
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}')
      return
    }
    if (transport === undefined) {
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: eventStore(),
        retryInterval: 200,
        enableDnsRebindingProtection: true,
        allowedHosts: [request.headers.host ?? '', `127.0.0.1:${port}`, `localhost:${port}`].filter(isLoopback),
        onsessioninitialized: (id) => void sessions.set(id, made),
        onsessionclosed: (id) => void sessions.delete(id),
      })
      transport = made
      await everything().connect(made as never)
    }
    await transport.handleRequest(request, response)
  }
  const isLoopback = (host: string): boolean => /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(host)
  const server = createServer((request, response) => void handle(request, response))
  let port = 0
  server.listen(0, '127.0.0.1', () => {
    port = (server.address() as AddressInfo).port
    process.stdout.write(`http://127.0.0.1:${port}/mcp\n`)
  })
}
