import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Client as ModernClient } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/index.ts'
import { PATIENCE, PROGRAMS, receiptOf, textOf } from './fixtures/harness.ts'
import {
  ask,
  errorIn,
  openHttpShop,
  post,
  receiptIn,
  SERVER,
  serveProxy,
  textIn,
  told,
  type HttpShop,
  type Served,
} from './fixtures/http-harness.ts'

describe('HTTP in front of a stdio server', PATIENCE, () => {
  let shop: HttpShop
  beforeAll(async () => {
    shop = await openHttpShop({ behind: 'stdio', http: '{ principal: session, limits: { streams: 40 } }' })
  }, PATIENCE.timeout)
  afterAll(async () => await shop.close())
  const count = (kind: string, field: string, value: string): number =>
    shop.downstream.effects(kind).filter((effect) => effect[field] === value).length

  const connect = async (): Promise<Client> => {
    const client = new Client({ name: 'session', version: '1.0.0' })
    await client.connect(new StreamableHTTPClientTransport(new URL(shop.proxied)) as never)
    return client
  }

  it('each session has a server of its own, and where sessions are principals none sees what another did', async () => {
    const [one, two] = await Promise.all([connect(), connect()])
    const mail = { name: 'send_message', arguments: { to: 'sessions', subject: 's', body: 'b' } }
    const [first, second] = await Promise.all([one.callTool(mail), two.callTool(mail)])
    expect(textOf(first as never)).not.toBe(textOf(second as never))
    expect(receiptOf((await one.callTool(mail)) as never)).toMatchObject({ status: 'replayed' })
    expect(count('messages', 'to', 'sessions')).toBe(2)
    await Promise.all([one.close(), two.close()])
  })

  it('a cancelled call gets no answer, and its effect goes on into the ledger', async () => {
    const client = await connect()
    const abort = new AbortController()
    shop.downstream.next('notes', 'hold')
    const note = { name: 'note', arguments: { text: 'cancelled' } }
    const lost = client.callTool(note, undefined, { signal: abort.signal })
    await shop.downstream.happened('notes', 1)
    abort.abort('changed my mind')
    await expect(lost).rejects.toThrow(/changed my mind/)
    const again = client.callTool(note)
    const timer = setInterval(() => shop.downstream.release(), 10)
    expect(textOf((await again.finally(() => clearInterval(timer))) as never)).toMatch(/^noted cancelled/)
    expect(count('notes', 'text', 'cancelled')).toBe(1)
    await client.close()
  })

  it('one process serves all of MCP 2026-07-28: equal ids and progress tokens never cross', async () => {
    const answers = await Promise.all(
      Array.from({ length: 32 }, async (_, at) => {
        const response = await post(shop.proxied, 1, 'echo', { text: `e${at}` }, { meta: { progressToken: 'same' } })
        return { at, body: await response.text() }
      }),
    )
    for (const { at, body } of answers) {
      expect(/"text":"(e\d+)"/.exec(body)?.[1]).toBe(`e${at}`)
      for (const [, message] of body.matchAll(/"message":"(e\d+)"/g)) expect(message).toBe(`e${at}`)
      expect(body).toContain('"progressToken":"same"')
    }
  })

  it('a server that dies under a call leaves a doubt, told at once; the next request starts another', async () => {
    const died = await ask(shop.proxied, 1, 'exit_now', { order: 'o1' })
    expect(errorIn(died)).toMatchObject({ type: 'IN_DOUBT', effect: 'unknown' })
    expect(errorIn(await ask(shop.proxied, 2, 'exit_now', { order: 'o1' }))).toMatchObject({ type: 'IN_DOUBT' })
    expect(count('exits', 'order', 'o1')).toBe(1)
    expect(textIn(await ask(shop.proxied, 3, 'read', {}))).toBe('read')
  })

  it('a session that is not there is told with 404, and one too many streams with 429', async () => {
    const unknown = await fetch(shop.proxied, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', 'mcp-session-id': 'nobody' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'note', arguments: {} } }),
    })
    expect(unknown.status).toBe(404)
    shop.downstream.next('notes', ...Array.from({ length: 45 }, () => 'hold' as const))
    const before = shop.downstream.effects('notes').length
    const calls = Array.from({ length: 45 }, (_, at) => post(shop.proxied, at, 'note', { text: `many ${at}` }))
    const statuses = Promise.all(calls.map(async (call) => (await call).status))
    await shop.downstream.happened('notes', before + 40)
    const timer = setInterval(() => shop.downstream.release(), 10)
    const counted = await statuses.finally(() => clearInterval(timer))
    expect(counted.filter((status) => status === 429)).toHaveLength(5)
    expect(shop.downstream.effects('notes')).toHaveLength(before + 40)
  })
})

describe('rounds of questions over stdio, MCP 2026-07-28', PATIENCE, () => {
  let shop: HttpShop
  beforeAll(async () => {
    shop = await openHttpShop()
  }, PATIENCE.timeout)
  afterAll(async () => await shop.close())

  const charge = async (account: string, command: readonly string[]): Promise<string> => {
    const client = new ModernClient(
      { name: 'v2', version: '1.0.0' },
      { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { wanted: true } }) as never)
    const [first = '', ...args] = command
    await client.connect(new StdioClientTransport({ command: first, args: [...args], env: shop.env, cwd: shop.folder }))
    const result = await client.callTool({ name: 'charge_and_ask', arguments: { account } })
    await client.close()
    return textOf(result as never)
  }
  const server = [process.execPath, SERVER, '--stdio']
  const count = (account: string): number =>
    shop.downstream.effects('asked').filter((effect) => effect['account'] === account).length

  it('control: two charges', async () => {
    await charge('control', server)
    expect(count('control')).toBe(2)
  })

  it('[OR-5] one charge through the proxy', async () => {
    const proxy = [process.execPath, PROGRAMS.proxy, '--config', shop.config, '--', ...server]
    expect(await charge('once', proxy)).toMatch(/receipt true$/)
    expect(count('once')).toBe(1)
  })
})

describe('an HTTP server that breaks off, and one that has tasks', PATIENCE, () => {
  const effects: string[] = []
  let creating = Promise.withResolvers<() => void>()
  let server: Server
  let proxy: Served
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: { name: string } }
    const reply = (result: unknown): void => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    }
    if (method !== 'tools/call') return reply({ method })
    effects.push(params.name)
    if (params.name === 'breaks') return void request.socket.destroy()
    if (params.name === 'half') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n')
      return void setImmediate(() => response.destroy())
    }
    if (params.name === 'printed') {
      const result = { resultType: 'complete', content: [{ type: 'text', text: 'printed' }] }
      const lines = JSON.stringify({ jsonrpc: '2.0', id, result }, null, 2).split('\n')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n')
      return void response.end(`event: message\n${lines.map((line) => `data: ${line}\n`).join('')}\n`)
    }
    const taskId = `task-${effects.length}`
    creating.resolve(() => reply({ resultType: 'task', task: { taskId, status: 'working' } }))
  }
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => answer(request, response, body))
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
    proxy = await serveProxy(['--store', 'memory:', '--upstream', url])
  }, PATIENCE.timeout)
  afterAll(async () => {
    await proxy.stop()
    server.closeAllConnections()
    server.close()
  })

  it.each(['breaks', 'half'])('%s: the outcome is unknown, told at once, and nothing is sent again', async (tool) => {
    expect(errorIn(await ask(proxy.url, 1, tool, {}))).toMatchObject({ type: 'IN_DOUBT', effect: 'unknown' })
    expect(errorIn(await ask(proxy.url, 2, tool, {}))).toMatchObject({ type: 'IN_DOUBT', effect: 'unknown' })
    expect(effects.filter((effect) => effect === tool)).toHaveLength(1)
  })

  it('an answer that is printed over several lines arrives whole behind a notification', async () => {
    const answer = await post(proxy.url, 1, 'printed', {})
    const event = (await answer.text()).split('\n\n').find((one) => one.includes('"result"'))
    const data = event?.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
    expect(JSON.parse(data?.join('\n') ?? '')).toMatchObject({ id: 1, result: { content: [{ text: 'printed' }] } })
  })

  it('the creation of a task is one operation, and asking after it passes', async () => {
    creating = Promise.withResolvers()
    const creation = ask(proxy.url, 1, 'long', {})
    const create = await creating.promise
    // The first call holds its connection: the second comes by another, on which nobody has read an answer.
    const equal = ask(proxy.url, 2, 'long', {})
    await (await post(proxy.url, 3, 'printed', { of: 'a third' })).text()
    create()
    const [first, again] = (await Promise.all([creation, equal])) as { result?: { task?: { taskId: string } } }[]
    expect(first?.result?.task?.taskId).toMatch(/^task-\d+$/)
    expect(again?.result?.task).toEqual(first?.result?.task)
    expect(receiptIn(first as never)['status']).toBe('executed')
    // A slow machine may bring it when the first is answered.
    expect(receiptIn(again as never)['status']).toMatch(/^(joined|replayed)$/)
    expect(effects.filter((effect) => effect === 'long')).toHaveLength(1)
    const asked = await fetch(proxy.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tasks/get' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 4, method: 'tasks/get', params: { taskId: 'task-1' } }),
    })
    expect(await told(asked)).toMatchObject({ result: { method: 'tasks/get' } })
  })
})

it('the configuration in the guide is one', () => {
  const { mcp } = loadConfig(fileURLToPath(new URL('./fixtures/guide-http.yaml', import.meta.url)))
  expect(mcp.http).toMatchObject({
    upstream: 'https://mcp.example.com/mcp',
    principal: 'authorization',
    hosts: ['mcp.internal'],
    limits: { streams: 1_000 },
  })
})
