import { describe, expect, it } from 'vitest'
import { answer, front, says, send, toolCall, upstream, type Front, type Serve } from './fixtures/front.ts'
import { PATIENCE } from './fixtures/harness.ts'
import { receiptIn, told } from './fixtures/http-harness.ts'

const PAY = { effect: 'write', identity: ['n'], recovery: { class: 'manual' } } as const

/** A server that takes messages at every address, as Express does with `/mcp/`, and the older transport at another one. */
async function inFrontOf(serve: Serve, work: (proxy: Front, direct: URL) => Promise<void>): Promise<void> {
  const server = await upstream(serve)
  const proxy = await front(server.url, { tools: { pay: PAY } })
  try {
    await work(proxy, server.url)
  } finally {
    await proxy.close()
    await server.close()
  }
}

describe('a message of MCP at another address than the endpoint', PATIENCE, () => {
  const ADDRESSES = ['/mcp/', '/MCP', '/%6dcp', '/messages?sessionId=1', '/']

  it.each(ADDRESSES)('%s is refused: behind it nothing would be protected', async (address) => {
    let effects = 0
    const act: Serve = (_request, response, { id }) => answer(response, id, says(`n${(effects += 1)}`))
    await inFrontOf(act, async ({ url }, direct) => {
      const beside = (base: string | URL): string => new URL(address, base).href
      for (const id of [1, 2]) await send(beside(direct), toolCall(id, 'pay', { n: 1 }))
      expect(effects, 'control: the server itself takes it').toBe(2)
      for (const message of [toolCall(1, 'pay', { n: 2 }), `[${JSON.stringify({ jsonrpc: '2.0', id: 1 })}]`]) {
        const refused = await send(beside(url), message)
        expect(refused.status).toBe(400)
        expect(await refused.text()).toContain('is served at /mcp here')
      }
      expect(effects).toBe(2)
      expect(receiptIn(await told(await send(url, toolCall(1, 'pay', { n: 2 }))))).toMatchObject({ status: 'executed' })
    })
  })

  it('is refused at the endpoint too where it does not come by POST, or where nobody could read it', async () => {
    let seen = 0
    const count: Serve = (_request, response) => void response.writeHead(200).end(`${(seen += 1)}`)
    await inFrontOf(count, async ({ url }) => {
      const body = JSON.stringify({ jsonrpc: '2.0', ...toolCall(1, 'pay', { n: 1 }) })
      expect((await fetch(url, { method: 'PUT', body })).status).toBe(400)
      const headers = { 'content-encoding': 'gzip' }
      expect((await fetch(`${url}/`, { method: 'POST', body, headers })).status).toBe(400)
      expect(seen).toBe(0)
    })
  })

  it('everything else passes as it was', async () => {
    const seen: string[] = []
    const echo: Serve = (request, response, message) => {
      seen.push(`${request.method} ${request.url} ${JSON.stringify(message)}`)
      response.writeHead(201, { 'x-server': 'yes' }).end('made')
    }
    await inFrontOf(echo, async ({ url }) => {
      const asked = { method: 'POST', headers: { 'content-type': 'application/json' } }
      const made = await fetch(new URL('/register?a=1', url), { ...asked, body: '{"client_name":"c"}' })
      expect([made.status, made.headers.get('x-server'), await made.text()]).toEqual([201, 'yes', 'made'])
      await fetch(new URL('/metadata', url))
      expect(seen).toEqual(['POST /register?a=1 {"client_name":"c"}', 'GET /metadata {}'])
    })
  })
})

describe('an endpoint that sends its clients elsewhere', PATIENCE, () => {
  const moved =
    (status: number): Serve =>
    (request, response) =>
      void response.writeHead(status, { location: request.url === '/mcp' ? '/mcp/' : '/welcome' }).end()

  it('is told as such: clients would follow it past the ledger', async () => {
    await inFrontOf(moved(307), async ({ url }, direct) => {
      for (const message of [{ id: 1, method: 'initialize', params: {} }, toolCall(2, 'pay', { n: 1 })]) {
        const refused = await send(url, message)
        expect([refused.status, refused.headers.get('location')]).toEqual([502, null])
        expect(await refused.text()).toContain(`--upstream ${direct.href}/`)
      }
      expect((await fetch(url, { method: 'GET' })).status).toBe(502)
    })
  })

  it.each([
    [307, 0],
    [303, 1],
  ])('with %i a call leaves %i doubts', async (status, doubts) => {
    await inFrontOf(moved(status), async ({ url, guard }) => {
      await send(url, toolCall(1, 'pay', { n: 1 }))
      expect((await guard.ledger.list({ states: ['in-doubt'] })).records).toHaveLength(doubts)
    })
  })

  it('beside the endpoint a redirect passes, as of a log-in', async () => {
    await inFrontOf(moved(302), async ({ url }) => {
      const sent = await fetch(new URL('/login', url), { redirect: 'manual' })
      expect([sent.status, sent.headers.get('location')]).toEqual([302, '/welcome'])
    })
  })
})
