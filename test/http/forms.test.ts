import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { manual } from '../../src/contract/index.ts'
import {
  expressMiddleware,
  fastifyHooks,
  honoMiddleware,
  protectHandler,
  type HttpOptions,
} from '../../src/http/index.ts'
import { testGuard } from '../support/guard.ts'
import { ask, eventually, type Seen } from './fixtures/harness.ts'

const OPTIONS: HttpOptions = {
  routes: [{ match: 'POST /orders/:ref', key: 'required', recovery: manual() }],
}

const port = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

async function listening(app: RequestListener): Promise<Server> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const post = (url: string, ref: string): Promise<Seen> =>
  ask(`${url}/orders/${ref}`, { headers: { 'idempotency-key': `k-${ref}` }, body: {} })

describe('a handler that answers after its deadline', () => {
  it('Express: its client was told the doubt, and the answer settles it for the ledger', async () => {
    const guard = testGuard()
    let told = (): void => {}
    const isTold = new Promise<void>((resolve) => (told = resolve))
    const ended: (() => void)[] = []
    const app = express()
    app.use(express.json())
    const late = { match: 'POST /late', key: 'required', recovery: manual(), timeout: '30ms' } as const
    app.use(expressMiddleware(guard, { routes: [late] }))
    app.post('/late', async (_request, response) => {
      response.cookie('a', 'b')
      await isTold
      response.status(201).location('/orders/1').json({ id: 1 })
      for (const end of ended) end()
    })
    const server = await listening(app)
    const send = (): Promise<Seen> =>
      ask(`${port(server)}/late`, { headers: { 'idempotency-key': 'late' }, body: { n: 1 } })
    expect((await send()).json()).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    const isEnded = new Promise<void>((resolve) => ended.push(resolve))
    told()
    await isEnded
    const again = await eventually(async () => {
      const seen = await send()
      return seen.status === 201 ? seen : undefined
    })
    expect([again.json(), again.headers['location']]).toEqual([{ id: 1 }, '/orders/1'])
    await new Promise((resolve) => server.close(resolve))
    await guard.close()
  })
})

describe('several cookies', () => {
  const COOKIES = ['a=1; Path=/', 'b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT']

  it.each([
    ['an object', { 'set-cookie': COOKIES }],
    ['names and values in turn', COOKIES.flatMap((cookie) => ['set-cookie', cookie])],
    ['a name and its values', ['set-cookie', COOKIES]],
    ['pairs', COOKIES.map((cookie) => ['set-cookie', cookie])],
  ])('Express: writeHead with %s', async (_name, headers) => {
    const guard = testGuard()
    const app = express()
    app.use(express.json())
    app.use(expressMiddleware(guard, OPTIONS))
    app.post('/orders/:ref', (_request, response) => void response.writeHead(201, headers as never).end('{}'))
    const server = await listening(app)
    expect((await post(port(server), 'cookies')).headers['set-cookie']).toEqual(COOKIES)
    await new Promise((resolve) => server.close(resolve))
    await guard.close()
  })

  it('Fastify: each of them once', async () => {
    const guard = testGuard()
    const app = fastify()
    fastifyHooks(app, guard, OPTIONS)
    app.post('/orders/:ref', async (_request, reply) => reply.header('set-cookie', COOKIES).send({}))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    expect((await post(url, 'cookies')).headers['set-cookie']).toEqual(COOKIES)
    await app.close()
    await guard.close()
  })
})

describe('a body that no parser has read before the ledger looks at it', () => {
  const FORM = { 'content-type': 'multipart/form-data; boundary=b', 'idempotency-key': 'form' }
  const form = (name: string): string => `--b\r\ncontent-disposition: form-data; name=n\r\n\r\n${name}\r\n--b--\r\n`

  it.each([
    ['Express 5 leaves it away', (): void => {}],
    ['Express 4 makes an empty object of it', (request: { body?: unknown }): void => void (request.body = {})],
  ])('%s: refused, and never taken for another one', async (_name, leave) => {
    const guard = testGuard()
    let acted = 0
    const app = express()
    app.use(express.json())
    app.use((request, _response, next) => {
      if (request.body === undefined) leave(request)
      next()
    })
    app.use(expressMiddleware(guard, OPTIONS))
    app.post('/orders/:ref', (_request, response) => {
      acted += 1
      response.status(201).json({ acted })
    })
    const server = await listening(app)
    for (const name of ['one', 'two']) {
      const seen = await ask(`${port(server)}/orders/form`, { headers: FORM, body: form(name) })
      expect(seen.json()).toMatchObject({ code: 'CONTRACT_INVALID', effect: 'none' })
    }
    expect(acted).toBe(0)
    expect((await post(port(server), 'empty')).status).toBe(201)
    await new Promise((resolve) => server.close(resolve))
    await guard.close()
  })

  it('Fastify: a parser that leaves the stream to its handler', async () => {
    const guard = testGuard()
    let acted = 0
    const app = fastify()
    app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
    fastifyHooks(app, guard, OPTIONS)
    app.post('/orders/:ref', async () => ({ acted: (acted += 1) }))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const seen = await ask(`${url}/orders/form`, { headers: FORM, body: form('one') })
    expect([seen.json(), acted]).toMatchObject([{ code: 'CONTRACT_INVALID' }, 0])
    expect((await post(url, 'empty')).status).toBe(200)
    await app.close()
    await guard.close()
  })
})

describe('what stands ahead has said to this client is said beside every answer', () => {
  /** As CORS and session middleware do, for each client anew. */
  const ahead = (page: string): Readonly<Record<string, string>> => ({
    'access-control-allow-origin': page,
    'x-frame-options': 'DENY',
    'set-cookie': `of=${page}`,
  })

  async function expectAhead(
    send: (page: string, key: string, body: object) => Promise<readonly [number, Headers]>,
  ): Promise<void> {
    const asked = [
      ['https://a.example', 'k', { n: 1 }, 200, 'executed'],
      ['https://b.example', 'k', { n: 1 }, 200, 'replayed'],
      ['https://b.example', 'k', { n: 2 }, 422, 'rejected'],
      ['https://b.example', '', { n: 1 }, 400, 'rejected'],
    ] as const
    for (const [page, key, body, status, outcome] of asked) {
      const [seen, headers] = await send(page, key, body)
      expect([seen, headers.get('onefold-outcome')]).toEqual([status, outcome])
      expect(Object.fromEntries(headers)).toMatchObject(ahead(page))
      expect(headers.get('x-of-handler')).toBe(outcome === 'executed' ? 'yes' : null)
    }
  }

  const ROUTES = { routes: [{ match: 'POST /orders', key: 'required', recovery: manual() }] } as const
  const about = (page: string, key: string, body: object): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: page, ...(key === '' ? {} : { 'idempotency-key': key }) },
    body: JSON.stringify(body),
  })

  it('in Express', async () => {
    const guard = testGuard()
    const app = express()
    app.use((request, response, next) => {
      response.set(ahead(request.get('origin') ?? ''))
      next()
    })
    app.use(express.json(), expressMiddleware(guard, ROUTES))
    app.post('/orders', (_request, response) => void response.set('x-of-handler', 'yes').json({}))
    const server = await listening(app)
    await expectAhead(async (page, key, body) => {
      const { status, headers } = await fetch(`${port(server)}/orders`, about(page, key, body))
      return [status, headers]
    })
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await guard.close()
  })

  it('in Hono', async () => {
    const guard = testGuard()
    const app = new Hono()
    app.use(async (context, next) => {
      for (const [name, value] of Object.entries(ahead(context.req.header('origin') ?? '')))
        context.res.headers.set(name, value)
      await next()
    })
    app.use(honoMiddleware(guard, ROUTES))
    app.post('/orders', (context) => context.json({}, 200, { 'x-of-handler': 'yes' }))
    await expectAhead(async (page, key, body) => {
      const { status, headers } = await app.request('http://shop/orders', about(page, key, body))
      return [status, headers]
    })
    await guard.close()
  })
})

it('a stream of events under another status than 2xx is not told as executed', async () => {
  const guard = testGuard()
  const handle = protectHandler(guard, OPTIONS, () => {
    return new Response('data: failed\n\n', { status: 502, headers: { 'content-type': 'text/event-stream' } })
  })
  const headers = { 'idempotency-key': 'failed' }
  const seen = await handle(new Request('http://shop/orders/1', { method: 'POST', headers }))
  expect([seen.status, seen.headers.get('onefold-outcome')]).toEqual([502, 'in-doubt'])
  expect([seen.headers.has('onefold-ticket'), await seen.text()]).toEqual([true, 'data: failed\n\n'])
  await guard.close()
})
