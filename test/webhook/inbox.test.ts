import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { composite, keyed, manual, probe, type ToolContext } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import {
  stripe,
  toFastify,
  toNode,
  webhookInbox,
  type InboxOptions,
  type WebhookEvent,
} from '../../src/webhook/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool, place } from '../support/order-tool.ts'

const SECRET = 'whsec_test'
const HOUR_MS = 3_600_000
let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => await downstream.close())

/** A delivery as Stripe makes it: signed anew each time, the count of pending deliveries printed into it. */
function delivery(id: string, atMs = Date.now(), pending = 1): Request {
  const payload = JSON.stringify({ id, type: 'order.paid', pending_webhooks: pending, data: { order: id } })
  const timestamp = Math.floor(atMs / 1000)
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp })
  return new Request('http://shop.test/hook', {
    method: 'POST',
    headers: { 'stripe-signature': header },
    body: payload,
  })
}

const from = stripe({ secret: SECRET })
const post = (event: WebhookEvent, context: ToolContext): Promise<unknown> =>
  place(downstream, { ref: event.id }, context.fetch)

/** Stripe's schedule in live mode: with growing pauses, for three days. */
const SCHEDULE_HOURS = [0, 0.01, 0.1, 1, 3, 7, 15, 27, 39, 51, 63, 72]

describe('the webhook inbox', () => {
  it('without it, each redelivery decrements the stock again', async () => {
    const naive = async (request: Request): Promise<number> => {
      const { id } = (await request.json()) as { id: string }
      await place(downstream, { ref: id })
      return 500
    }
    for (const hours of SCHEDULE_HOURS) await naive(delivery('evt_naive', Date.now() + hours * HOUR_MS))
    expect(await downstream.effects('evt_naive')).toBe(SCHEDULE_HOURS.length)
  })

  it.each([
    ['manual', manual()],
    ['composite', composite()],
  ] as const)(
    'an effect whose answer does not parse is not repeated in three days of redeliveries (%s) [IN-4]',
    async (kind, recovery) => {
      const guard = testGuard({ store: memoryStore() })
      const decrement = orderTool(guard, downstream, { recovery: keyed('24h') })
      let nowMs = Date.now()
      const inbox = webhookInbox(guard, {
        from,
        name: kind,
        recovery,
        nowMs: () => nowMs,
        waitMs: 30,
        handle: async (event, context) => {
          if (kind === 'manual') await post(event, context)
          else await decrement({ ref: event.id })
          return JSON.parse('<html>ok</html>') as unknown
        },
      })
      const id = `evt_${kind}`
      const start = nowMs
      for (const [at, hours] of SCHEDULE_HOURS.entries()) {
        nowMs = start + hours * HOUR_MS
        let answer = await inbox(delivery(id, nowMs, 12 - at))
        // The first handler may take longer than its sender waits.
        while (answer.status === 503) answer = await inbox(delivery(id, nowMs, 12 - at))
        expect([answer.status, (await answer.json()) as object]).toMatchObject([
          200,
          { received: true, outcome: 'IN_DOUBT' },
        ])
      }
      expect(await downstream.effects(id)).toBe(1)
      const { records } = await guard.ledger.list({ tool: `webhook.${kind}` })
      expect(records).toMatchObject([
        { state: expect.stringMatching(/in-doubt|recovering|executing/), retentionMs: 168 * HOUR_MS },
      ])
      await guard.close()
    },
  )

  it('handles each event once: redelivered, at once, and after a restart', async () => {
    const store = memoryStore()
    const options: InboxOptions = { from, handle: post, recovery: keyed('24h') }
    const first = webhookInbox(testGuard({ store }), options)
    const answers = await Promise.all(Array.from({ length: 8 }, () => first(delivery('evt_many'))))
    expect(answers.map(({ status }) => status)).toEqual(new Array(8).fill(200))
    const second = webhookInbox(testGuard({ store }), options)
    expect(await (await second(delivery('evt_many', Date.now(), 0))).json()).toEqual({
      received: true,
      outcome: 'replayed',
    })
    expect(await downstream.effects('evt_many')).toBe(1)
    expect((await second(delivery('evt_other'))).status).toBe(200)
    expect(await downstream.effects('evt_other')).toBe(1)
  })

  it.each([
    ['an integer beyond 2^53', '{"id":"evt_form_1","order":820982911946154508}'],
    ['half a surrogate', '{"id":"evt_form_2","order":"\\ud800"}'],
    ['deep nesting', `{"id":"evt_form_3","order":${'['.repeat(100)}${']'.repeat(100)}}`],
  ])('handles what the ledger’s own JSON cannot hold: %s', async (_name, payload) => {
    const seen: unknown[] = []
    const lost = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    const recovery = probe<WebhookEvent, unknown>(({ body }) => ({ found: true, value: seen.push(body) }), {
      settle: '0ms',
    })
    const guard = testGuard()
    const handle = ({ body }: WebhookEvent): never => {
      seen.push(body)
      throw lost
    }
    const inbox = webhookInbox(guard, { from, handle, recovery })
    const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET })
    const send = async (): Promise<number> =>
      (
        await inbox(
          new Request('http://shop.test', { method: 'POST', headers: { 'stripe-signature': header }, body: payload }),
        )
      ).status
    expect([await send(), await send()]).toEqual([200, 200])
    const body: unknown = JSON.parse(payload)
    expect(seen).toEqual([body, body])
    await guard.close()
  })

  it('answers a sender in time, also one whose delivery is being handled; a later one gets the outcome', async () => {
    const guard = testGuard()
    let goOn = (): void => {}
    const isHeld = new Promise<void>((resolve) => (goOn = resolve))
    const handle: InboxOptions['handle'] = async (event, context) => {
      await isHeld
      return await post(event, context)
    }
    const inbox = webhookInbox(guard, { from, handle, waitMs: 20 })
    const answers = [await inbox(delivery('evt_slow')), await inbox(delivery('evt_slow'))]
    expect(answers.map(({ status }) => status)).toEqual([503, 503])
    expect(await answers[0]?.json()).toEqual({ outcome: 'IN_PROGRESS' })
    expect(answers[0]?.headers.get('retry-after')).toBe('1')
    goOn()
    while ((await inbox(delivery('evt_slow'))).status !== 200);
    expect(await downstream.effects('evt_slow')).toBe(1)
    await guard.close()
  })

  it('asks for another delivery only where nothing happened', async () => {
    let works = false
    const handle: InboxOptions['handle'] = async (event, context) => {
      if (!works) throw new OnefoldError('REJECTED', 'no such order yet')
      return await post(event, context)
    }
    const guard = testGuard()
    const recovery = probe(() => ({ found: false }) as const, { settle: '1ms' })
    const inbox = webhookInbox(guard, { from, handle, recovery, waitMs: 50 })
    const answer = await inbox(delivery('evt_early'))
    expect([500, 503]).toContain(answer.status)
    works = true
    for (;;) {
      const again = await inbox(delivery('evt_early'))
      if (again.status === 200) break
      await guard.internals.tick()
    }
    expect(await downstream.effects('evt_early')).toBe(1)
    await guard.close()
  })

  it('takes nothing that is not signed, or too large, and handles none of it', async () => {
    const inbox = webhookInbox(testGuard(), { from, handle: post, maxBytes: 1_000 })
    const forged = new Request('http://shop.test/hook', {
      method: 'POST',
      body: '{"id":"evt_forged"}',
      headers: { 'stripe-signature': 't=1,v1=00' },
    })
    expect((await inbox(forged)).status).toBe(401)
    expect((await inbox(delivery('evt_old', Date.now() - HOUR_MS))).status).toBe(401)
    const read = delivery('evt_read')
    await read.text()
    const answer = await inbox(read)
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('read before')])
    const large = new Request('http://shop.test/hook', { method: 'POST', body: 'x'.repeat(1_001) })
    expect((await inbox(large)).status).toBe(413)
    expect(await downstream.effects('evt_forged')).toBe(0)
    expect(await downstream.effects('evt_old')).toBe(0)
  })

  it('handles a body that is larger than a record, and asks its recovery with the whole of it', async () => {
    const order = 'x"'.repeat(1024 * 1024)
    const seen: number[] = []
    const guard = testGuard()
    const sizeOf = ({ body }: WebhookEvent): number => (body as { order: string }).order.length
    const inbox = webhookInbox(guard, {
      from,
      maxBytes: 8 * 1024 * 1024,
      recovery: probe((event) => ({ found: true, value: seen.push(sizeOf(event)) }), { settle: '0ms' }),
      handle: (event) => {
        seen.push(sizeOf(event))
        throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
      },
    })
    const payload = JSON.stringify({ id: 'evt_large', order })
    const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET })
    const headers = { 'stripe-signature': header }
    const send = (): Promise<Response> =>
      inbox(new Request('http://shop.test', { method: 'POST', headers, body: payload }))
    expect([(await send()).status, (await send()).status]).toEqual([200, 200])
    expect(seen).toEqual([order.length, order.length])
    await guard.close()
  })

  it('says 2xx of nothing that it could not write down, and tells operators', async () => {
    const guard = testGuard()
    const alarms: string[] = []
    guard.on('alarm', ({ tool, message }) => alarms.push(`${tool}: ${message}`))
    let handled = 0
    const inbox = webhookInbox(guard, { from, handle: () => (handled += 1) })
    const payload = `{"id":"evt_deep","order":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET })
    const deep = new Request('http://shop.test', {
      method: 'POST',
      headers: { 'stripe-signature': header },
      body: payload,
    })
    expect([(await inbox(deep)).status, handled]).toEqual([500, 0])
    const broken = webhookInbox(guard, {
      from: { name: 'own', retryHorizonMs: 1_000, verify: () => JSON.parse('{') as never },
      handle: () => (handled += 1),
    })
    expect([(await broken(delivery('evt_own'))).status, handled]).toEqual([500, 0])
    expect(alarms).toEqual([
      'webhook.stripe: Event evt_deep could not be taken: RangeError',
      'webhook.own: A delivery could not be verified, and was not taken: SyntaxError',
    ])
    await guard.close()
  })

  it('refuses two endpoints under one name, whose events would pass for each other’s', () => {
    const guard = testGuard()
    webhookInbox(guard, { from, handle: post })
    expect(() => webhookInbox(guard, { from: stripe({ secret: 'whsec_other' }), handle: post })).toThrow(
      /a name of its own/,
    )
    webhookInbox(guard, { from: stripe({ secret: 'whsec_other' }), name: 'stripe-mail', handle: post })
    webhookInbox(guard, { from: stripe({ secret: SECRET }), handle: post }) // the same, made again
  })

  it('says that nothing started when the ledger is away', async () => {
    const store = memoryStore()
    const guard = testGuard({ store })
    const inbox = webhookInbox(guard, { from, handle: post })
    await guard.open()
    await store.close()
    const answer = await inbox(delivery('evt_away'))
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).not.toBeNull()
    expect(await downstream.effects('evt_away')).toBe(0)
  })

  it('refuses to forget what may still come', () => {
    expect(() => webhookInbox(testGuard(), { from, handle: post, rememberMs: 24 * HOUR_MS })).toThrow(
      /may deliver them again/,
    )
  })
})

/** The status line that a server answers to these bytes. */
const firstLine = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.once('error', reject)
    socket.once('data', (answer) => {
      socket.destroy()
      resolve(String(answer).split('\r\n')[0] ?? '')
    })
  })

describe('in servers', () => {
  const send = async (url: string, request: Request): Promise<number> =>
    (await fetch(url, { method: 'POST', headers: request.headers, body: await request.text() })).status

  it('node:http, Express with and without a raw parser, Fastify', async () => {
    const inbox = webhookInbox(testGuard(), { from, handle: post })
    const node = toNode(inbox)
    const app = express()
    app.post('/raw', express.raw({ type: '*/*' }), (request, response) => void node(request, response))
    app.post('/plain', (request, response) => void node(request, response))
    app.post('/parsed', express.json({ type: '*/*' }), (request, response) => void node(request, response))
    const server = createServer(app)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await send(`${base}/raw`, delivery('evt_raw'))).toBe(200)
    expect(await send(`${base}/plain`, delivery('evt_plain'))).toBe(200)
    expect(await send(`${base}/parsed`, delivery('evt_parsed'))).toBe(500)
    const fast = fastify()
    fast.removeAllContentTypeParsers()
    fast.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    fast.post('/hook', toFastify(inbox))
    const url = await fast.listen({ port: 0, host: '127.0.0.1' })
    expect(await send(`${url}/hook`, delivery('evt_fast'))).toBe(200)
    expect(await send(`${url}/hook`, delivery('evt_fast'))).toBe(200)
    const effects = await Promise.all(
      ['evt_raw', 'evt_plain', 'evt_parsed', 'evt_fast'].map((ref) => downstream.effects(ref)),
    )
    expect(effects).toEqual([1, 1, 0, 1])
    await fast.close()
    await new Promise((resolve) => server.close(resolve))
  })

  it('nothing that a stranger sends ends the process, or is held beyond its limit', async () => {
    const inbox = webhookInbox(testGuard(), { from, handle: post, maxBytes: 1_000 })
    const failed: unknown[] = []
    const node = toNode(inbox)
    const server = createServer(
      (request, response) => void node(request, response).catch((error) => failed.push(error)),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const head = 'Host: x\r\nContent-Length: 100000'
    expect(await firstLine(port, `POST // HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)).toContain('401')
    expect(await firstLine(port, `POST http://[ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)).toContain('401')
    expect(await firstLine(port, 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc')).toContain('401')
    expect(await firstLine(port, 'TRACE / HTTP/1.1\r\nHost: x\r\n\r\n')).toContain('405')
    // Answered though 98,900 bytes are still to come: they are not waited for.
    expect(await firstLine(port, `POST / HTTP/1.1\r\n${head}\r\n\r\n${'x'.repeat(1_100)}`)).toContain('413')
    const cut = connect(port, '127.0.0.1')
    cut.on('error', () => undefined)
    const gone = new Promise<void>((resolve) => server.once('connection', (socket) => socket.once('close', resolve)))
    cut.write(`POST / HTTP/1.1\r\n${head}\r\n\r\nabc`, () => cut.destroy())
    await gone
    expect(await send(`http://127.0.0.1:${port}/`, delivery('evt_after'))).toBe(200)
    expect(failed).toEqual([])
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})
