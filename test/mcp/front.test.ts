import { Agent, request as httpRequest, type ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import {
  answer,
  front,
  says,
  send,
  toolCall,
  upstream,
  type Front,
  type FrontOptions,
  type Serve,
} from './fixtures/front.ts'
import { PATIENCE } from './fixtures/harness.ts'
import { receiptIn, errorIn, textIn, told, type Told } from './fixtures/http-harness.ts'

const SESSION = { 'mcp-session-id': 's1' }

/** A proxy in front of a server that does as it is told; both in this process. */
async function behind(serve: Serve, work: (proxy: Front) => Promise<void>, options: FrontOptions = {}): Promise<void> {
  const server = await upstream(serve)
  const proxy = await front(server.url, options)
  try {
    await work(proxy)
  } finally {
    await proxy.close()
    await server.close()
  }
}

/** One message on the connection of an agent. */
const on = (agent: Agent, url: string, message: object): Promise<Told> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...SESSION }
    const request = httpRequest(url, { method: 'POST', agent, headers }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve((body === '' ? {} : JSON.parse(body)) as Told))
    })
    request.on('error', reject)
    request.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
  })

describe('a call that is taken back over HTTP', PATIENCE, () => {
  const cancelled = { method: 'notifications/cancelled', params: { requestId: 1 } }

  it.each(['the same connection', 'another connection'])(
    'after its answer, on %s: the answer does not count as delivered, and the repeat gets it again',
    async (where) => {
      let effects = 0
      await behind(
        (_request, response, { id }) =>
          id === undefined ? void response.writeHead(202).end() : answer(response, id, says(`n${(effects += 1)}`)),
        async ({ url }) => {
          const [one, two] = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: 1 })) as [Agent, Agent]
          expect(textIn(await on(one, url, toolCall(1, 'act')))).toBe('n1')
          await on(where === 'the same connection' ? one : two, url, cancelled)
          expect(receiptIn(await on(one, url, toolCall(2, 'act')))).toMatchObject({ status: 'replayed' })
          expect(effects).toBe(1)
          // Control: without a word of it, the next request on the connection has read the answer.
          expect(textIn(await on(one, url, toolCall(3, 'act')))).toBe('n2')
          one.destroy()
          two.destroy()
        },
      )
    },
  )
})

describe('one id twice at once in a session', PATIENCE, () => {
  it('the same message is the same call, whose answer everyone gets; another one is not sent', async () => {
    let effects = 0
    let acting = (): void => undefined
    let finish = (): void => undefined
    const arrived = new Promise<void>((resolve) => (acting = resolve))
    await behind(
      (_request, response, { id }) => {
        effects += 1
        acting()
        finish = () => answer(response, id, says('done'))
      },
      async ({ url }) => {
        const gone = new AbortController()
        const first = send(url, toolCall(5, 'act', { n: 1 }), SESSION, gone.signal)
        await arrived
        gone.abort()
        await expect(first).rejects.toThrow(/abort/)
        const other = await told(await send(url, toolCall(5, 'act', { n: 2 }), SESSION))
        expect(errorIn(other)).toMatchObject({ type: 'IN_PROGRESS', effect: 'unknown' })
        const again = send(url, toolCall(5, 'act', { n: 1 }), SESSION)
        // The proxy has it when it answers what was asked after it.
        await send(url, toolCall(5, 'act', { n: 2 }), SESSION)
        finish()
        expect(textIn(await told(await again))).toBe('done')
        expect(effects).toBe(1)
      },
    )
  })
})

describe('an HTTP server whose answer says nothing', PATIENCE, () => {
  it.each(['application/json', 'text/event-stream'])('as %s: the outcome is unknown', async (type) => {
    let effects = 0
    await behind(
      (_request, response, { id, params }) => {
        effects += 1
        const said = `{"jsonrpc":"2.0","id":${String(id)},${String(params?.arguments?.['with'])}}`
        const body = type === 'application/json' ? said : `event: message\ndata: ${said}\n\n`
        response.writeHead(200, { 'content-type': type }).end(body)
      },
      async ({ url }) => {
        for (const given of ['"result":null', '"error":null'])
          for (const id of [1, 2])
            expect(errorIn(await told(await send(url, toolCall(id, 'odd', { with: given }))))).toMatchObject({
              type: 'IN_DOUBT',
            })
        expect(effects).toBe(2)
        const both = toolCall(3, 'odd', { with: '"error":null,"result":{"content":[]}' })
        expect(receiptIn(await told(await send(url, both)))).toMatchObject({ status: 'executed' })
      },
    )
  })
})

describe('a key in the query of the endpoint', PATIENCE, () => {
  const KEYED = {
    effect: 'write',
    identity: ['n'],
    recovery: { class: 'keyed', window: '24h', key: { in: '_meta' } },
  } as const

  it('reaches the server, tells callers apart, and goes out again with what is sent again', async () => {
    const asked: (string | undefined)[] = []
    await behind(
      (request, response, { id }) => {
        asked.push(request.url)
        if (asked.length === 3) return void response.destroy()
        answer(response, id, says(String(request.url)))
      },
      async ({ url }) => {
        for (const key of ['A', 'B']) {
          const given = await told(await send(`${url}?apiKey=${key}`, toolCall(1, 'pay', { n: 1 })))
          expect(textIn(given)).toBe(`/mcp?apiKey=${key}`)
        }
        await send(`${url}?apiKey=A`, toolCall(2, 'pay', { n: 2 }))
        await expect.poll(() => asked, { timeout: 20_000 }).toHaveLength(4)
        expect(asked.slice(2)).toEqual(['/mcp?apiKey=A', '/mcp?apiKey=A'])
      },
      { tools: { pay: KEYED } },
    )
  })
})

describe('a list of tools whose stream ends before the answer', PATIENCE, () => {
  it.each(['the server ends it', 'the client loses it'])('%s: what follows comes from the server', async (who) => {
    const event = (id: string, data: object): string => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`
    const tools = [{ name: 'act', inputSchema: { type: 'object' } }]
    await behind(
      (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        if (request.headers['last-event-id'] === 'e1')
          return void response.end(event('e2', { jsonrpc: '2.0', id: 1, result: { tools } }))
        response.write(event('e1', { jsonrpc: '2.0', method: 'notifications/message', params: {} }))
        if (who === 'the server ends it') response.end()
      },
      async ({ url }) => {
        const gone = new AbortController()
        const first = await send(url, { id: 1, method: 'tools/list', params: {} }, SESSION, gone.signal)
        const began = await first.body?.getReader().read()
        expect(Buffer.from(began?.value ?? []).toString()).toContain('id: e1')
        if (who === 'the client loses it') gone.abort()
        const headers = { accept: 'text/event-stream', 'last-event-id': 'e1', ...SESSION }
        expect(await (await fetch(url, { headers })).text()).toContain('"name":"act"')
      },
    )
  })
})

describe('answers that clients come back for', PATIENCE, () => {
  const PAY = { effect: 'write', identity: ['n'], recovery: { class: 'manual' } } as const

  it('so many bytes are kept, the oldest forgotten first: then the client is told, and a repeat gets the answer', async () => {
    let effects = 0
    await behind(
      (_request, response, { id, params }) => {
        effects += 1
        const result = { content: [{ type: 'text', text: String(params?.arguments?.['n']).repeat(40_000) }] }
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(`id: e${String(id)}\ndata: \n\n`)
        response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`)
      },
      async ({ url }) => {
        for (const n of [1, 2, 3]) await (await send(url, toolCall(n, 'pay', { n }), SESSION)).text()
        const resumed = async (event: string): Promise<Told> => {
          const headers = { accept: 'text/event-stream', 'last-event-id': event, ...SESSION }
          return await told(await fetch(url, { headers }))
        }
        expect(await resumed('e1')).toMatchObject({
          id: 1,
          error: { code: -31101, data: { type: 'ANSWER_FORGOTTEN', retryable: true } },
        })
        expect(textIn(await resumed('e2'))).toBe('2'.repeat(40_000))
        expect(textIn(await resumed('e3'))).toBe('3'.repeat(40_000))
        const again = await told(await send(url, toolCall(4, 'pay', { n: 1 }), SESSION))
        expect(receiptIn(again)).toMatchObject({ status: 'replayed' })
        expect(textIn(again)).toBe('1'.repeat(40_000))
        expect(effects).toBe(3)
      },
      { tools: { pay: PAY }, limits: { resumableBytes: 100_000 } },
    )
  })
})

describe('a client that comes back for a call that it has taken back', PATIENCE, () => {
  it('is given what there was, and its stream ends', async () => {
    let finish = (): void => undefined
    await behind(
      (_request, response, { id }) => {
        if (id === undefined) return void response.writeHead(202).end()
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('id: e1\ndata: \n\n')
        finish = () => response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: says('done') })}\n\n`)
      },
      async ({ url }) => {
        const first = await send(url, toolCall(1, 'act'), SESSION)
        const reader = first.body?.getReader()
        expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('id: e1')
        await send(url, { method: 'notifications/cancelled', params: { requestId: 1 } }, SESSION)
        expect((await reader?.read())?.done).toBe(true)
        const headers = { accept: 'text/event-stream', 'last-event-id': 'e1', ...SESSION }
        expect(await (await fetch(url, { headers })).text()).toBe('')
        finish()
      },
    )
  })
})

describe('a front that is closed', PATIENCE, () => {
  it('does not wait for a stream that a client opens meanwhile on a connection that it has', async () => {
    let held: ServerResponse | undefined
    let acting = (): void => undefined
    const arrived = new Promise<void>((resolve) => (acting = resolve))
    const server = await upstream((request, response) => {
      if (request.method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        return
      }
      held = response
      acting()
    })
    const proxy = await front(server.url, {})
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const asked = on(agent, proxy.url, { id: 1, method: 'ping' })
    await arrived
    const closed = proxy.close(100)
    // The proxy has let go of its server, and answers what it held.
    const detail = 'the MCP server broke off before it answered.'
    expect(await asked).toMatchObject({ status: 502, effect: 'unknown', detail })
    const headers = { accept: 'text/event-stream', ...SESSION }
    const stream = httpRequest(proxy.url, { agent, headers }, (response) => response.resume())
    stream.on('error', () => undefined).end()
    await closed
    agent.destroy()
    held?.destroy()
    await server.close()
  })
})

describe('a front that listens beyond this machine', PATIENCE, () => {
  it.each([
    ['evil.example', [], 403],
    ['127.0.0.1', [], 200],
    ['mcp.internal', ['mcp.internal', '127.0.0.1'], 200],
    ['evil.example', ['mcp.internal', '127.0.0.1'], 403],
  ])('a page of %s, hosts %j: %i', async (page, hosts, status) => {
    let effects = 0
    await behind(
      (_request, response, { id }) => answer(response, id, says(`n${(effects += 1)}`)),
      async (proxy) => {
        const url = proxy.url.replace('0.0.0.0', '127.0.0.1')
        expect((await send(url, toolCall(1, 'act'), { origin: `http://${page}` })).status).toBe(status)
        expect(effects).toBe(status === 200 ? 1 : 0)
      },
      { host: '0.0.0.0', hosts },
    )
  })
})
