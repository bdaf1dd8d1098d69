/**
 * Everything that the conformance suite asks of a server of MCP 2026-07-28, on SDK v2: over Streamable HTTP with
 * `--http`, which prints its address, else over standard input and output, in both eras.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node'
import {
  acceptedContent,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  McpServer,
  ResourceTemplate,
  type CallToolResult,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import * as z from 'zod'
import { ASKED, FIXED, image, LOGS, MIRRORED, pause, PIXEL, sample, SCHEMA_2020_12, STEPS, text } from './things.ts'

const said = (value: string): CallToolResult => ({ content: [text(value)] })
const none = z.object({})
const codec = createRequestStateCodec({ key: 'a secret of at least thirty-two bytes' })
const elicit = (form: (typeof ASKED)[keyof typeof ASKED]) => inputRequired.elicit(form as never)
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'

/** Tells every open subscription that a list has changed. */
interface Notify {
  toolsChanged(): void
  promptsChanged(): void
}

function everything(notify: () => Notify | undefined): McpServer {
  const mcp = new McpServer(
    { name: 'everything-v2', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: codec.verify },
    },
  )
  const tool = (name: string, work: (context: ServerContext) => unknown): void =>
    void mcp.registerTool(name, { description: name, inputSchema: none }, (_input, context) => work(context) as never)

  for (const [name, content] of Object.entries(FIXED)) tool(name, () => ({ content: [...content] }))
  tool('test_tool_with_logging', async ({ mcpReq }) => {
    for (const data of LOGS) {
      await mcpReq.log('info', data)
      await pause(20)
    }
    return said('Tool with logging executed successfully')
  })
  tool('test_logging_tool', async ({ mcpReq }) => {
    await mcpReq.log('info', 'logged')
    return said('logged')
  })
  tool('test_tool_with_progress', async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0
    for (const progress of STEPS) {
      const params = { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` }
      await mcpReq.notify({ method: 'notifications/progress', params })
      await pause(20)
    }
    return said(String(progressToken))
  })
  tool('test_error_handling', () => {
    throw new Error('This tool intentionally returns an error for testing')
  })
  tool('test_missing_capability', () =>
    inputRequired({ inputRequests: { sampled: inputRequired.createMessage(sample('Say hello', 50)) } }),
  )
  tool('test_streaming_elicitation', ({ mcpReq }) =>
    acceptedContent(mcpReq.inputResponses, 'confirm') === undefined
      ? inputRequired({ inputRequests: { confirm: elicit(ASKED.confirm) } })
      : said('confirmed'),
  )
  tool('test_trigger_tool_change', () => {
    notify()?.toolsChanged()
    return said('changed')
  })
  tool('test_trigger_prompt_change', () => {
    notify()?.promptsChanged()
    return said('changed')
  })
  tool('test_input_required_result_elicitation', ({ mcpReq }) => {
    const given = acceptedContent(mcpReq.inputResponses, 'user_name', z.object({ name: z.string() }))
    return given === undefined
      ? inputRequired({ inputRequests: { user_name: elicit(ASKED.name) } })
      : said(`Hello, ${given.name}!`)
  })
  tool('test_input_required_result_sampling', ({ mcpReq }) =>
    mcpReq.inputResponses?.['capital_question'] === undefined
      ? inputRequired({
          inputRequests: {
            capital_question: inputRequired.createMessage(sample('What is the capital of France?', 100)),
          },
        })
      : said('sampled'),
  )
  tool('test_input_required_result_list_roots', ({ mcpReq }) =>
    mcpReq.inputResponses?.['client_roots'] === undefined
      ? inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
      : said('rooted'),
  )
  const confirming = (name: string, done: string): void =>
    tool(name, async ({ mcpReq }) =>
      acceptedContent(mcpReq.inputResponses, 'confirm') === undefined
        ? inputRequired({
            inputRequests: { confirm: elicit(ASKED.confirm) },
            requestState: await codec.mint({ tool: name }),
          })
        : said(done),
    )
  confirming('test_input_required_result_request_state', 'state-ok')
  confirming('test_input_required_result_tampered_state', 'state verified')
  tool('test_input_required_result_multiple_inputs', async ({ mcpReq }) => {
    const given = mcpReq.inputResponses ?? {}
    return ['user_name', 'greeting', 'client_roots'].every((name) => given[name] !== undefined)
      ? said('all of them')
      : inputRequired({
          inputRequests: {
            user_name: elicit(ASKED.name),
            greeting: inputRequired.createMessage(sample('Generate a greeting', 50)),
            client_roots: inputRequired.listRoots(),
          },
          requestState: await codec.mint({ of: 'three' }),
        })
  })
  tool('test_input_required_result_multi_round', async ({ mcpReq }) => {
    const { round = 0 } = (mcpReq.requestState() as { round?: number } | undefined) ?? {}
    const next = round === 1 && acceptedContent(mcpReq.inputResponses, 'step1') !== undefined
    if (round === 2 && acceptedContent(mcpReq.inputResponses, 'step2') !== undefined) return said('both rounds')
    return inputRequired({
      inputRequests: next ? { step2: elicit(ASKED.step2) } : { step1: elicit(ASKED.step1) },
      requestState: await codec.mint({ round: next ? 2 : 1 }),
    })
  })
  tool('test_input_required_result_capabilities', ({ mcpReq }) => {
    const known = (mcpReq.envelope as Record<string, Record<string, unknown>> | undefined)?.[CAPABILITIES] ?? {}
    return inputRequired({
      inputRequests: {
        ...(known['elicitation'] === undefined ? {} : { asked: elicit(ASKED.name) }),
        ...(known['sampling'] === undefined ? {} : { sampled: inputRequired.createMessage(sample('Say hello', 50)) }),
      },
    })
  })
  mcp.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Has a schema of its own', inputSchema: fromJsonSchema(SCHEMA_2020_12 as never) },
    (input) => said(`called with ${JSON.stringify(input)}`),
  )
  mcp.registerTool(
    'test_custom_headers',
    { description: 'Mirrors an argument', inputSchema: fromJsonSchema(MIRRORED as never) },
    (input) => said(JSON.stringify(input)),
  )
  mcp.registerResource('static-text', 'test://static-text', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
  }))
  mcp.registerResource('static-binary', 'test://static-binary', { mimeType: 'image/png' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'image/png', blob: PIXEL }],
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
  mcp.server.setRequestHandler('completion/complete', () => ({ completion: { values: [], total: 0, hasMore: false } }))
  const user = (content: object) => ({ role: 'user' as const, content: content as never })
  mcp.registerPrompt('test_simple_prompt', { description: 'A prompt' }, () => ({
    messages: [user(text('This is a simple prompt for testing.'))],
  }))
  mcp.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'A prompt', argsSchema: z.object({ arg1: z.string(), arg2: z.string() }) },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }),
  )
  mcp.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'A prompt', argsSchema: z.object({ resourceUri: z.string() }) },
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
  mcp.registerPrompt('test_input_required_result_prompt', { description: 'Asks first' }, ((context: ServerContext) =>
    acceptedContent(context.mcpReq.inputResponses, 'user_context') === undefined
      ? inputRequired({ inputRequests: { user_context: elicit(ASKED.context) } })
      : { messages: [user(text('with context'))] }) as never)
  return mcp
}

if (!process.argv.includes('--http')) {
  let mcp: McpServer | undefined
  serveStdio(
    () =>
      (mcp = everything(() => ({
        toolsChanged: () => mcp?.sendToolListChanged(),
        promptsChanged: () => mcp?.sendPromptListChanged(),
      }))),
  )
} else {
  const handler = createMcpHandler(() => everything(() => handler.notify))
  const serve = toNodeHandler(handler)
  const checks = [localhostHostValidation(), localhostOriginValidation()]
  const server = createServer((request, response) => {
    if (checks.every((check) => check(request, response))) void serve(request as never, response)
  })
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp\n`)
  })
}
