import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyed, manual, probe } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import {
  expressMiddleware,
  fastifyHooks,
  honoMiddleware,
  nextRoute,
  protectHandler,
  type HttpOptions,
} from '../../src/http/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { ask, leaves, pause, type Seen } from './fixtures/harness.ts'

let orders: Downstream
beforeAll(async () => {
  orders = await startDownstream()
  await orders.honoursKeys(false)
})
afterAll(async () => await orders.close())

/** What every app does: places an order downstream and passes its answer on. */
async function place(ref: string): Promise<{ readonly status: number; readonly body: string }> {
  const response = await fetch(`${orders.url}/effects/${ref}`, { method: 'POST', body: '{}' })
  return { status: response.status, body: await response.text() }
}

const OPTIONS: HttpOptions = {
  routes: [
    { match: 'POST /orders/:ref', key: 'required', recovery: manual() },
    { match: 'PUT /orders/:ref', identity: ['path.ref', 'body.sku'], recovery: manual() },
  ],
}

interface App {
  readonly url: string
  close(): Promise<void>
}

const port = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** The same app in every form. Without a guard: the control. */
const APPS: Readonly<Record<string, (guard: Guard | undefined) => Promise<App>>> = {
  fetch: async (guard) => {
    const plain = async (request: Request): Promise<Response> => {
      const { status, body } = await place(new URL(request.url).pathname.split('/').at(-1) ?? '')
      return new Response(body, { status, headers: { 'content-type': 'application/json', 'set-cookie': 'a=b' } })
    }
    const handle = guard === undefined ? plain : protectHandler(guard, OPTIONS, plain)
    return served({ fetch: handle })
  },
  hono: async (guard) => {
    const app = new Hono()
    if (guard !== undefined) app.use(honoMiddleware(guard, OPTIONS))
    app.on(['POST', 'PUT'], '/orders/:ref', async (context) => {
      await context.req.text()
      const { status, body } = await place(context.req.param('ref'))
      return context.body(body, status as 201, { 'content-type': 'application/json', 'set-cookie': 'a=b' })
    })
    return served(app)
  },
  express: async (guard) => {
    const app = express()
    app.use(express.json())
    if (guard !== undefined) app.use(expressMiddleware(guard, OPTIONS))
    app.all('/orders/:ref', async (request, response) => {
      const { status, body } = await place(request.params.ref)
      response.cookie('a', 'b').status(status).type('json').send(body)
    })
    const server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { url: port(server), close: async () => void (await new Promise((resolve) => server.close(resolve))) }
  },
  fastify: async (guard) => {
    const app = fastify()
    if (guard !== undefined) fastifyHooks(app, guard, OPTIONS)
    app.all('/orders/:ref', async (request, reply) => {
      const { status, body } = await place((request.params as { ref: string }).ref)
      return reply.code(status).header('set-cookie', 'a=b').type('application/json').send(body)
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { url: port(app.server), close: async () => await app.close() }
  },
  next: async (guard) => {
    const handler = async (
      _request: Request,
      { params }: { params: Promise<Record<string, unknown>> },
    ): Promise<Response> => {
      const { status, body } = await place(String((await params)['ref']))
      return new Response(body, { status, headers: { 'content-type': 'application/json', 'set-cookie': 'a=b' } })
    }
    const [post, put] = OPTIONS.routes as [never, never]
    const routes =
      guard === undefined
        ? undefined
        : { POST: nextRoute(guard, post, handler as never), PUT: nextRoute(guard, put, handler as never) }
    return served({
      fetch: async (request) => {
        const ref = new URL(request.url).pathname.split('/').at(-1) ?? ''
        const context = { params: Promise.resolve({ ref }) }
        return routes === undefined
          ? await handler(request, context)
          : await routes[request.method as 'POST'](request, context)
      },
    })
  },
}

async function served(app: { fetch: (request: Request) => Promise<Response> | Response }): Promise<App> {
  return await new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false }, () =>
      resolve({
        url: port(server as Server),
        close: async () => void (await new Promise((done) => server.close(done))),
      }),
    )
  })
}

const post = (url: string, ref: string, key = `k-${ref}`, body: object = { n: 1 }): Promise<Seen> =>
  ask(`${url}/orders/${ref}`, { headers: { 'idempotency-key': key }, body })

describe.each(Object.keys(APPS))('as %s', (form) => {
  let app: App
  let guard: Guard
  const start = async (): Promise<void> => {
    guard = testGuard({ settings: { waitMs: 3_000 } })
    app = await (APPS[form] as (guard: Guard) => Promise<App>)(guard)
  }
  afterEach(async () => {
    await app.close()
    await guard.close()
  })

  it('control: without it a repeat orders again', async () => {
    const bare = await (APPS[form] as (guard: undefined) => Promise<App>)(undefined)
    await post(bare.url, `${form}-control`)
    await post(bare.url, `${form}-control`)
    expect(await orders.effects(`${form}-control`)).toBe(2)
    await bare.close()
    await start()
  })

  it('[OR-3] a repeat gets the original answer; concurrent ones join it; without the cookie', async () => {
    await start()
    const ref = `${form}-repeat`
    await orders.plan(ref, 'stall:40')
    const seen = await Promise.all(Array.from({ length: 8 }, () => post(app.url, ref)))
    const again = await post(app.url, ref)
    expect(await orders.effects(ref)).toBe(1)
    expect(new Set([...seen, again].map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(again.status).toBe(201)
    expect(again.headers['content-type']).toMatch(/^application\/json/)
    expect([again.headers['onefold-outcome'], again.headers['idempotent-replayed']]).toEqual(['replayed', 'true'])
    expect(again.headers['set-cookie']).toBeUndefined()
    const executed = seen.filter(({ headers }) => headers['onefold-outcome'] === 'executed')
    expect(executed.length).toBe(1)
    expect(String(executed[0]?.headers['set-cookie'])).toMatch(/^a=b/)
  })

  it('[IN-6] demands its key, refuses another body under it', async () => {
    await start()
    const ref = `${form}-key`
    expect((await ask(`${app.url}/orders/${ref}`, { body: {} })).json()).toMatchObject({
      code: 'KEY_MISSING',
      status: 400,
    })
    await post(app.url, ref)
    expect((await post(app.url, ref, undefined, { n: 2 })).json()).toMatchObject({
      code: 'KEY_REUSED',
      fields: ['body.n'],
    })
    expect(await orders.effects(ref)).toBe(1)
  })

  it('[IN-7] derives a key where callers send fresh ones', async () => {
    await start()
    const ref = `${form}-derived`
    const put = (key: string, sku: string): Promise<Seen> =>
      ask(`${app.url}/orders/${ref}`, { method: 'PUT', headers: { 'idempotency-key': key }, body: { sku } })
    await put('fresh-1', 'a')
    expect((await put('fresh-2', 'a')).headers['onefold-outcome']).toBe('replayed')
    await put('fresh-3', 'b')
    expect(await orders.effects(ref)).toBe(2)
  })

  it('a 503 of the handler reaches its caller; a repeat gets the doubt', async () => {
    await start()
    const ref = `${form}-doubt`
    await orders.plan(ref, 'fail-after')
    const first = await post(app.url, ref)
    expect([first.status, first.json(), first.headers['onefold-outcome']]).toEqual([
      503,
      { error: 'gateway time-out' },
      'in-doubt',
    ])
    expect((await post(app.url, ref)).json()).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(await orders.effects(ref)).toBe(1)
  })

  it('a client that goes away leaves the handler running', async () => {
    await start()
    const ref = `${form}-gone`
    await orders.plan(ref, 'hold')
    await leaves(orders, ref, (signal) =>
      ask(`${app.url}/orders/${ref}`, { headers: { 'idempotency-key': `k-${ref}` }, body: { n: 1 }, signal }),
    )
    const returned = post(app.url, ref)
    await orders.release(ref)
    const back = await returned
    expect([back.status, back.headers['idempotent-replayed']]).toEqual([201, 'true'])
    expect(await orders.effects(ref)).toBe(1)
  })

  it('reads pass', async () => {
    await start()
    expect((await ask(`${app.url}/orders/none`, { method: 'GET' })).headers['onefold-outcome']).toBeUndefined()
  })
})

describe('a handler that can run again', () => {
  it('is run by recovery with the same downstream key; the caller gets the recovered answer', async () => {
    const guard = testGuard()
    const keys: string[] = []
    const handle = protectHandler(
      guard,
      { routes: [{ match: 'POST /orders', key: 'required', recovery: keyed('24h') }] },
      async (request, context) => {
        keys.push(context?.downstreamKey() ?? '')
        if (keys.length === 1) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
        return new Response(await request.text(), { status: 201 })
      },
    )
    const send = (): Promise<Response> =>
      handle(new Request('http://app/orders', { method: 'POST', headers: { 'idempotency-key': 'a' }, body: 'frozen' }))
    const response = await send()
    expect([response.status, await response.text()]).toEqual([201, 'frozen'])
    expect(new Set(keys).size).toBe(1)
    expect((await send()).headers.get('idempotent-replayed')).toBe('true')
    expect(keys.length).toBe(2)
    await guard.close()
  })

  it('Hono: `again` runs the route once more, inside the operation', async () => {
    const guard = testGuard()
    let calls = 0
    const app = new Hono()
    app.use(
      honoMiddleware(guard, {
        routes: [{ match: 'POST /orders', key: 'required', recovery: keyed('24h') }],
        again: (request) => app.fetch(request),
      }),
    )
    app.post('/orders', async (context) => {
      calls += 1
      return calls === 1 ? context.text('later', 503) : context.text(await context.req.text(), 201)
    })
    const send = async (): Promise<Response> =>
      await app.request('/orders', { method: 'POST', headers: { 'idempotency-key': 'a' }, body: 'frozen' })
    expect((await send()).status).toBe(503)
    const again = await send()
    expect([again.status, await again.text(), calls]).toEqual([201, 'frozen', 2])
    await guard.close()
  })

  it('a probe of the program settles; a class that a form cannot carry out is refused at once', async () => {
    const guard = testGuard()
    const found = probe(async () => ({ found: true as const, value: new Response('found', { status: 201 }) }), {
      settle: '0ms',
    })
    const handle = protectHandler(
      guard,
      { routes: [{ match: 'POST /orders', key: 'required', recovery: found }] },
      () => {
        throw new Error('lost')
      },
    )
    const response = await handle(
      new Request('http://app/orders', { method: 'POST', headers: { 'idempotency-key': 'a' } }),
    )
    expect([response.status, await response.text()]).toEqual([201, 'found'])
    const routes: HttpOptions['routes'] = [{ match: 'POST /x', key: 'required', recovery: keyed('24h') }]
    expect(() => expressMiddleware(guard, { routes })).toThrow(/cannot run the handler again/)
    expect(() => fastifyHooks({ addHook: () => undefined }, guard, { routes })).toThrow(/CONTRACT|cannot/)
    await guard.close()
  })

  it('events stream to the client while they are recorded', async () => {
    const guard = testGuard()
    const handle = protectHandler(
      guard,
      { routes: [{ match: 'POST /chat', key: 'required', recovery: manual() }] },
      () => {
        const stream = new ReadableStream<Uint8Array>({
          async start(controller) {
            for (const part of ['data: 1\n\n', 'data: 2\n\n']) {
              controller.enqueue(Buffer.from(part))
              await pause(30)
            }
            controller.close()
          },
        })
        return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
      },
    )
    const send = (): Promise<Response> =>
      handle(new Request('http://app/chat', { method: 'POST', headers: { 'idempotency-key': 'a' } }))
    const live = await send()
    const reader = (live.body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('data: 1\n\n')
    expect(await (await send()).text()).toBe('data: 1\n\ndata: 2\n\n')
    await guard.close()
  })
})
