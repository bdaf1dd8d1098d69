import { request as httpRequest } from 'node:http'
import { createMCPClient } from '@ai-sdk/mcp'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PATIENCE, receiptOf, textOf } from './fixtures/harness.ts'
import { ask, errorIn, openHttpShop, post, receiptIn, textIn, told, type HttpShop } from './fixtures/http-harness.ts'

/** Each story runs against the server itself, where it must go wrong, and through the proxy. */
let shop: HttpShop
beforeAll(async () => {
  shop = await openHttpShop()
}, PATIENCE.timeout)
afterAll(async () => await shop.close())

const count = (kind: string, field: string, value: string): number =>
  shop.downstream.effects(kind).filter((effect) => effect[field] === value).length

async function v1(url: string): Promise<Client> {
  const client = new Client({ name: 'v1', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)) as never)
  return client
}

async function v2(url: string): Promise<ModernClient> {
  const client = new ModernClient(
    { name: 'v2', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { wanted: true } }) as never)
  await client.connect(new ModernTransport(new URL(url)))
  return client
}

const CLIENTS = [
  ['SDK v1, MCP 2025-11-25', v1],
  ['SDK v2, MCP 2026-07-28', v2],
] as const

describe.each(CLIENTS)('%s over HTTP', (name, connect) => {
  const who = (what: string): string => `${what}@${name.slice(4, 6)}`
  const mail = (to: string, body = 'Hello') => ({ name: 'send_message', arguments: { to, subject: 'Order', body } })
  const call = async (client: { callTool: unknown }, given: object, options?: object) =>
    (await (client.callTool as (...all: unknown[]) => Promise<unknown>).apply(
      client,
      connect === (v1 as unknown) ? [given, undefined, options] : [given, options],
    )) as Parameters<typeof textOf>[0]

  const timedOut = async (url: string, to: string): Promise<string> => {
    const client = await connect(url)
    shop.downstream.next('messages', 'hold')
    await expect(call(client, mail(to), { timeout: 400 })).rejects.toThrow(/timed out/)
    const again = call(client, mail(to, 'in other words'))
    const timer = setInterval(() => shop.downstream.release(), 10)
    const result = await again.finally(() => clearInterval(timer))
    await client.close()
    return textOf(result)
  }

  it(
    'control: a time-out and a second try send two messages',
    async () => {
      await timedOut(shop.direct, who('control'))
      expect(count('messages', 'to', who('control'))).toBe(2)
    },
    PATIENCE.timeout,
  )

  it(
    '[OR-5] a time-out after the effect, and a second try: one message, and its answer',
    async () => {
      expect(await timedOut(shop.proxied, who('slow'))).toMatch(/^sent \d+$/)
      expect(count('messages', 'to', who('slow'))).toBe(1)
    },
    PATIENCE.timeout,
  )

  it(
    '[OR-5] a lost answer is no second message; a keyed tool settles itself under one key',
    async () => {
      const client = await connect(shop.proxied)
      shop.downstream.next('messages', 'lose')
      expect((await call(client, mail(who('lost')))).isError).toBe(true)
      expect(textOf(await call(client, mail(who('lost'), 'again')))).toContain('Do not call it again')
      expect(count('messages', 'to', who('lost'))).toBe(1)
      shop.downstream.next('charges', 'lose')
      const charge = { name: 'charge', arguments: { account: who('keyed'), cents: 5 } }
      await call(client, charge)
      expect(textOf(await call(client, charge))).toMatch(/^charged \d+$/)
      expect(count('charges', 'account', who('keyed'))).toBe(1)
      await client.close()
    },
    PATIENCE.timeout,
  )

  it(
    '[BF-11] sees receipts in results and contracts in the list of tools, beside what the tools say',
    async () => {
      const client = await connect(shop.proxied)
      expect(receiptOf(await call(client, mail(who('receipt'))))).toMatchObject({ status: 'executed', attempts: 1 })
      expect(receiptOf(await call(client, mail(who('receipt'))))).toMatchObject({ status: 'replayed' })
      const { tools } = (await client.listTools()) as {
        tools: { name: string; _meta?: Record<string, unknown>; annotations?: object }[]
      }
      const contract = (tool: string) => tools.find(({ name: named }) => named === tool)?._meta?.['io.onefold/contract']
      expect(contract('send_message')).toMatchObject({
        name: 'shop:send_message',
        effect: 'write',
        identity: ['to', 'subject'],
        recovery: { class: 'manual' },
      })
      expect(contract('read')).toEqual({ effect: 'read' })
      expect(contract('note')).toMatchObject({ declared: false, identity: 'all' })
      expect(tools.find(({ name: named }) => named === 'send_message')?.annotations).toMatchObject({
        readOnlyHint: true,
      })
      await client.close()
    },
    PATIENCE.timeout,
  )
})

describe('MCP 2026-07-28 as bytes', PATIENCE, () => {
  /** The client closes the stream while the server acts, and asks again under another id. */
  const broken = async (url: string, account: string): Promise<string> => {
    const gone = new AbortController()
    const before = count('notes', 'text', account)
    shop.downstream.next('notes', 'hold')
    const lost = post(url, 1, 'note', { text: account }, { signal: gone.signal }).catch(() => undefined)
    await expect.poll(() => count('notes', 'text', account), { timeout: 30_000 }).toBe(before + 1)
    gone.abort()
    await lost
    const again = ask(url, 2, 'note', { text: account })
    const timer = setInterval(() => shop.downstream.release(), 10)
    return textIn(await again.finally(() => clearInterval(timer)))
  }

  it('control: a stream that breaks, and a request anew: two notes', async () => {
    await broken(shop.direct, 'control-broken')
    expect(count('notes', 'text', 'control-broken')).toBe(2)
  })

  it('[OR-5] closing the stream cancels nothing that has started: the new request gets its answer, one note', async () => {
    expect(await broken(shop.proxied, 'broken')).toMatch(/^noted broken \d+$/)
    expect(count('notes', 'text', 'broken')).toBe(1)
  })

  it('control: one callTool with a question in it charges twice', async () => {
    const client = await v2(shop.direct)
    await client.callTool({ name: 'charge_and_ask', arguments: { account: 'control-asked' } })
    await client.close()
    expect(count('asked', 'account', 'control-asked')).toBe(2)
  })

  it('[OR-5] the rounds of one call are one operation under one key: one charge', async () => {
    const client = await v2(shop.proxied)
    const before = shop.downstream.requests('asked')
    const result = await client.callTool({ name: 'charge_and_ask', arguments: { account: 'asked' } })
    await client.close()
    expect(textOf(result as never)).toMatch(/^charged \d+, receipt true$/)
    expect(count('asked', 'account', 'asked')).toBe(1)
    expect(shop.downstream.requests('asked') - before).toBeGreaterThanOrEqual(2)
  })

  it('a question is told again to who lost it, and is never the result of a repeat', async () => {
    const args = { account: 'asked-again' }
    const first = await ask(shop.proxied, 1, 'charge_and_ask', args)
    expect(first.result?.resultType).toBe('input_required')
    expect(receiptIn(first)).toMatchObject({ status: 'awaiting-input' })
    const again = await ask(shop.proxied, 2, 'charge_and_ask', args)
    expect(again.result?.resultType).toBe('input_required')
    const inputResponses = { receipt: { action: 'accept', content: { wanted: false } } }
    const done = await ask(shop.proxied, 3, 'charge_and_ask', args, { params: { inputResponses } })
    expect(textIn(done)).toMatch(/receipt false$/)
    for (const params of [{}, { inputResponses }]) {
      const repeat = await ask(shop.proxied, 4, 'charge_and_ask', args, { params })
      expect(textIn(repeat)).toBe(textIn(done))
      expect(receiptIn(repeat)).toMatchObject({ status: 'replayed', key: receiptIn(done)['key'] })
    }
    expect(count('asked', 'account', 'asked-again')).toBe(1)
  })

  it('headers that say something else than the body come back as the server refused them', async () => {
    const headers = { 'mcp-name': 'read' }
    const direct = await post(shop.direct, 7, 'charge', { account: 'mirror', cents: 1 }, { headers })
    const through = await post(shop.proxied, 7, 'charge', { account: 'mirror', cents: 1 }, { headers })
    expect(through.status).toBe(400)
    expect(await told(through)).toEqual(await told(direct))
    expect(count('charges', 'account', 'mirror')).toBe(0)
  })

  it('[IN-6] a write whose contract demands a key fails fast without one, and is one with it, wherever it stands', async () => {
    const args = { account: 'pay' }
    const without = await ask(shop.proxied, 1, 'pay', args)
    expect(without.error).toMatchObject({ code: -31001, data: { type: 'KEY_MISSING', effect: 'none' } })
    const ways = [
      { headers: { 'idempotency-key': '"order-1"' } },
      { meta: { 'io.onefold/idempotency-key': 'order-1' } },
      { params: { idempotencyKey: 'order-1' } },
    ]
    const told = await Promise.all(ways.map((way, at) => ask(shop.proxied, 10 + at, 'pay', args, way)))
    expect(new Set(told.map(textIn)).size).toBe(1)
    expect(count('payments', 'account', 'pay')).toBe(1)
  })

  it('[AG-2] the server gets the operation’s own key with every send of a keyed write', async () => {
    await ask(shop.proxied, 1, 'charge', { account: 'key-sent', cents: 1 })
    const [effect] = shop.downstream.effects('charges').filter(({ account }) => account === 'key-sent')
    expect(effect?.['key']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('reads the key and the run from headers, and refuses two keys that differ', async () => {
    const meta = { 'io.onefold/idempotency-key': 'one' }
    const headers = { 'idempotency-key': '"two"' }
    const refused = await ask(shop.proxied, 8, 'note', { text: 'keys' }, { meta, headers })
    expect(refused.error).toMatchObject({ code: -31002, data: { type: 'KEY_INVALID', effect: 'none' } })
    const within = { headers: { 'onefold-run': 'run-1', 'idempotency-key': '"same"' } }
    const first = await ask(shop.proxied, 9, 'note', { text: 'keys' }, within)
    const second = await ask(shop.proxied, 10, 'note', { text: 'keys' }, { headers: { 'onefold-run': 'run-2' } })
    expect(receiptIn(first)['key']).not.toBe(receiptIn(second)['key'])
    expect(count('notes', 'text', 'keys')).toBe(2)
  })
})

describe('many clients', PATIENCE, () => {
  it('two clients with 64 calls each, equal ids and equal arguments, never see each other’s answers', async () => {
    const one = async (client: string, id: number): Promise<void> => {
      const headers = { authorization: `Bearer ${client}` }
      const own = await ask(shop.proxied, id, 'note', { text: `${client}-${id}` }, { headers })
      expect(own.id).toBe(id)
      expect(textIn(own)).toContain(`noted ${client}-${id} `)
      const shared = await ask(shop.proxied, id, 'charge', { account: `shared-${id}`, cents: 1 }, { headers })
      expect(receiptIn(shared)).toMatchObject({ status: 'executed' })
    }
    const ids = Array.from({ length: 64 }, (_, id) => id)
    await Promise.all(ids.flatMap((id) => [one('ann', id), one('bob', id)]))
    for (const id of ids) {
      expect(count('notes', 'text', `ann-${id}`) + count('notes', 'text', `bob-${id}`)).toBe(2)
      expect(count('charges', 'account', `shared-${id}`)).toBe(2)
    }
  })

  it('what one principal did is never replayed to another', async () => {
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const args = { to: 'both', subject: 's', body: 'b' }
    const first = await ask(shop.proxied, 1, 'send_message', args, as('x'))
    const second = await ask(shop.proxied, 1, 'send_message', args, as('y'))
    expect(textIn(first)).not.toBe(textIn(second))
    expect(receiptIn(await ask(shop.proxied, 2, 'send_message', args, as('x')))).toMatchObject({ status: 'replayed' })
    expect(count('messages', 'to', 'both')).toBe(2)
  })
})

describe('an answer of 503 after the effect, and a client that retries by itself', PATIENCE, () => {
  /** [facts, frameworks.md: @ai-sdk/mcp] */
  const retrying = async (url: string, maxRetries: number, text: string): Promise<void> => {
    const client = await createMCPClient({
      transport: { type: 'http', url, headers: { 'x-lose': 'after' } },
      maxRetries,
    })
    const { note } = (await client.tools()) as Record<string, { execute: (input: unknown, options: object) => unknown }>
    for (let model = 0; model < (maxRetries === 0 ? 3 : 1); model += 1)
      await Promise.resolve(note?.execute({ text }, { toolCallId: `c${model}`, messages: [] })).catch(() => undefined)
    await client.close()
  }

  it.each([0, 2])('control: @ai-sdk/mcp with maxRetries %i acts three times', async (maxRetries) => {
    await retrying(shop.direct, maxRetries, `control-${maxRetries}`)
    expect(count('lost', 'text', `control-${maxRetries}`)).toBe(3)
  })

  it.each([0, 2])('[OR-5] @ai-sdk/mcp with maxRetries %i acts once', async (maxRetries) => {
    await retrying(shop.proxied, maxRetries, `once-${maxRetries}`)
    expect(count('lost', 'text', `once-${maxRetries}`)).toBe(1)
  })
})

describe('what is refused at the door', PATIENCE, () => {
  const raw = (headers: Record<string, string>, body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const url = new URL(shop.proxied)
      const request = httpRequest(
        { host: url.hostname, port: url.port, path: url.pathname, method: 'POST', headers },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  const good = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

  it('another Host, another Origin, a body that is too large, and what is no message', async () => {
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    expect(await raw({ ...good, host: 'evil.example' }, ping)).toBe(403)
    expect(await raw({ ...good, origin: 'http://evil.example' }, ping)).toBe(403)
    expect(await raw(good, 'x'.repeat(11 * 1024 * 1024)).catch(() => 413)).toBe(413)
    expect(await raw(good, '{"jsonrpc":"2.0",')).toBe(400)
    expect(await raw(good, `[${ping}]`)).toBe(400)
    expect(await raw({ ...good, 'content-encoding': 'gzip' }, ping)).toBe(400)
    expect(errorIn(await ask(shop.proxied, 1, 'read', {}))).toEqual({})
  })
})
