import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { manual } from '../../src/contract/index.ts'
import { expressMiddleware, fastifyHooks, type HttpOptions } from '../../src/http/index.ts'
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
