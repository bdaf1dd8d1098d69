import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import OpenAI from 'openai'
import Stripe from 'stripe'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual, type ToolContext, type WriteOptions } from '../../src/contract/index.ts'
import { attemptReport, clearAttempts, downstreamFetch, type DownstreamOptions } from '../../src/downstream/index.ts'
import { onefoldFetch, protectFetch } from '../../src/downstream/public.ts'
import type { Guard } from '../../src/engine/index.ts'
import { isOnefoldError } from '../../src/error/index.ts'
import { testGuard } from '../support/guard.ts'
import { freePort } from '../support/servers/free-port.ts'
import { stripeOn, thrice } from './fixtures/clients.ts'
import { startService, type Service } from './fixtures/service.ts'

const input = z.object({ n: z.number() })
const PATIENT = { leaseMs: 30_000, heartbeatMs: 10_000, waitMs: 30_000 }

let service: Service
let guard: Guard
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())
afterEach(async () => {
  await guard.close()
  clearAttempts()
})

type Options = Partial<WriteOptions<typeof input, unknown>>

/** A tool on a guard of its own; `via` are the options of its `ctx.fetch`. */
function toolOf(work: (context: ToolContext) => unknown, options: Options = {}, via: DownstreamOptions = {}) {
  guard = testGuard({ makeFetch: downstreamFetch(fetch, via), settings: PATIENT })
  return guard.tool({
    name: 'writes',
    input,
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute: (_input, context) => work(context),
    ...options,
  })
}

const post = { method: 'POST', body: '{"a":1}' } as const
const stateOf = async (): Promise<string | undefined> => (await guard.ledger.list({})).records[0]?.state
const thrownBy = async (work: Promise<unknown>): Promise<unknown> => await work.catch((error: unknown) => error)

describe('ctx.fetch carries the key', () => {
  it('on every state-changing call, in the form of the provider behind the host [AG-2][SH-5]', async () => {
    const host = new URL(service.url).host
    const tool = toolOf(
      async (context) => {
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET']) {
          await (await context.fetch(`${service.url}/methods/ok/${method}`, { method })).text()
        }
        const url = `${service.url.replace('127.0.0.1', 'localhost')}/square/ok`
        await (await context.fetch(url, post)).text()
      },
      {},
      { providers: { [host]: 'stripe', [`localhost:${service.port}`]: 'square' } },
    )
    await guard.run({ id: 'run-1' }, () => tool({ n: 1 }))
    const { keys, runs } = await service.seen('methods')
    expect(keys.map((key) => key !== null)).toEqual([true, true, true, true, false])
    expect(new Set(keys).size).toBe(5)
    expect(new Set(runs)).toEqual(new Set(['run-1']))
    const square = await service.seen('square')
    expect(JSON.parse(square.bodies[0] ?? '')).toEqual({
      idempotency_key: expect.stringMatching(/^[0-9a-f-]{36}$/),
      a: 1,
    })
    expect(square.keys).toEqual([null])
  })

  it('the same one on every retry of an SDK that is given ctx.fetch, and by loops of the tool: one effect', async () => {
    const tool = toolOf(
      async (context) => {
        const client = new OpenAI({ apiKey: 'x', baseURL: `${service.url}/sdk/503-after`, fetch: context.fetch })
        await client.chat.completions.create({ model: 'm', messages: [] })
        await thrice(async () => {
          const answer = await context.fetch(`${service.url}/loop/503-after`, post)
          await answer.text()
          if (!answer.ok) throw new Error('again')
        })
        const stripe = stripeOn(`${service.url}/stripe`, {
          maxNetworkRetries: 0,
          httpClient: Stripe.createFetchHttpClient(context.fetch),
        })
        await thrice(() => stripe.rawRequest('POST', '/stripe/503-after', { amount: 1 }))
      },
      {},
      { budget: { call: 6 } },
    )
    await tool({ n: 1 })
    for (const id of ['sdk', 'loop', 'stripe']) {
      const { requests, effects, keys } = await service.seen(id)
      expect([id, requests, effects, new Set(keys).size]).toEqual([id, 3, 1, 1])
    }
    expect(attemptReport()).toMatchObject({ requests: 3, attempts: 9, amplification: 3 })
  })

  it('another one for each wanted repeat, the same again when the attempt is repeated', async () => {
    let times = 0
    const tool = toolOf(
      async (context) => {
        for (const body of ['A', 'A', 'B']) {
          await (await context.fetch(`${service.url}/wanted/ok`, { method: 'POST', body })).text()
        }
        times += 1
        if (times === 1) throw new Error('after the effects')
      },
      { recovery: keyed('24h') },
    )
    await tool.perform({ n: 1 }, { onDoubt: 'wait' })
    const { keys, effects } = await service.seen('wanted')
    expect(effects).toBe(3)
    expect(keys.slice(3)).toEqual(keys.slice(0, 3))
    expect(new Set(keys).size).toBe(3)
  })

  it('as `{run}::{tool}::{index}` beside it, for a tool whose identity is its place in the run [BF-2]', async () => {
    const seen: (string | null)[] = []
    const base: typeof fetch = async (_input, init) => {
      seen.push(new Headers(init?.headers).get('onefold-sequence'))
      return new Response('{}')
    }
    guard = testGuard({ makeFetch: downstreamFetch(base) })
    const tool = guard.tool({
      name: 'reboot',
      input,
      effect: 'write',
      identity: 'sequence',
      recovery: manual(),
      execute: async (_input, context) => void (await context.fetch('http://127.0.0.1/x', { method: 'POST' })),
    })
    await guard.run({ id: 'r1' }, async () => {
      await tool({ n: 1 })
      await tool({ n: 2 })
    })
    expect(seen).toEqual(['r1::reboot::1', 'r1::reboot::2'])
  })
})

describe('ctx.fetch refuses before the first byte', () => {
  it.each([
    ['a provider that takes no key', 'github', 'takes no idempotency key'],
    ['a directive that the tool did not write', 'shopify', '@idempotent'],
    ['a provider whose keys live shorter than the contract says', 'zendesk', '2h'],
  ])('a keyless write of a keyed tool: %s [SH-5]', async (_what, provider, text) => {
    const path = provider === 'zendesk' ? '/api/v2/tickets' : `/refused-${provider}/ok`
    const tool = toolOf(
      (context) => context.fetch(`${service.url}${path}`, post),
      { recovery: keyed('24h') },
      { providers: { [new URL(service.url).host]: provider } },
    )
    const error = await thrownBy(tool({ n: 1 }))
    expect(isOnefoldError(error) && [error.code, error.effect]).toEqual(['REJECTED', 'none'])
    expect((error as Error).cause).toMatchObject({ code: 'CONTRACT_INVALID', message: expect.stringContaining(text) })
    expect((await service.seen(path.split('/')[1] ?? '')).requests).toBe(0)
  })

  it('but lets it pass where the tool wrote the key that it was given [SH-5]', async () => {
    const via = { providers: { [new URL(service.url).host]: 'shopify' } }
    const tool = toolOf(
      async (context) => {
        const query = `mutation { refundCreate @idempotent(key: "${context.downstreamKey('shopify')}") { id } }`
        return (await context.fetch(`${service.url}/written/ok`, { ...post, body: JSON.stringify({ query }) })).status
      },
      { recovery: keyed('24h') },
      via,
    )
    expect(await tool({ n: 1 })).toBe(200)
    expect(await service.seen('written')).toMatchObject({ effects: 1 })
  })

  it('but lets it pass for another recovery; the ledger alone then keeps a repeat away [SH-5]', async () => {
    const via = { providers: { [new URL(service.url).host]: 'github' } }
    const tool = toolOf(async (context) => (await context.fetch(`${service.url}/issue/ok`, post)).status, {}, via)
    expect([await tool({ n: 1 }), await tool({ n: 1 })]).toEqual([200, 200])
    expect(await service.seen('issue')).toMatchObject({ keys: [null], effects: 1 })
  })

  it('a retry that no budget covers; the operation is then in doubt, not forgotten', async () => {
    const tool = toolOf((context) =>
      thrice(() =>
        thrice(async () => {
          const answer = await context.fetch(`${service.url}/budget/never`, post)
          throw new Error(`HTTP ${answer.status}`)
        }),
      ),
    )
    const error = await thrownBy(tool({ n: 1 }))
    expect((await service.seen('budget')).requests).toBe(6)
    expect(isOnefoldError(error) && error.code).toBe('IN_DOUBT')
    expect((error as Error).cause).toMatchObject({ code: 'RETRY_BUDGET_EXHAUSTED', effect: 'none' })
    expect(attemptReport().rows[0]).toMatchObject({ requests: 1, attempts: 6, calls: 1 })
  })
})

describe('ctx.fetch proves what was not sent', () => {
  let plain: Server
  let plainPort: number
  beforeAll(async () => {
    plain = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.end('not TLS')))
    plain.listen(0, '127.0.0.1')
    await once(plain, 'listening')
    plainPort = (plain.address() as AddressInfo).port
  })
  afterAll(() => plain.close())

  it('a refused connection, an unknown name, a failed TLS handshake: released, and it may run again', async () => {
    const urls = [
      `http://127.0.0.1:${await freePort()}/`,
      'http://nowhere.invalid/',
      `https://127.0.0.1:${plainPort}/`,
      `${service.url}/unsent/ok`,
    ]
    let at = 0
    const tool = toolOf(async (context) => (await context.fetch(urls[at++] ?? '', post)).status)
    for (let n = 0; n < 3; n += 1) {
      const error = await thrownBy(tool({ n: 1 }))
      expect([urls[n], isOnefoldError(error) && [error.effect, error.retryable]]).toEqual([urls[n], ['none', true]])
      expect(await stateOf()).toBe('released')
    }
    expect(await tool({ n: 1 })).toBe(200)
    expect((await service.seen('unsent')).effects).toBe(1)
  })

  it('an abort before the byte; after it the request goes on, whatever the attempt’s deadline', async () => {
    const before = toolOf((context) =>
      context.fetch(`${service.url}/early/ok`, { ...post, signal: AbortSignal.abort() }),
    )
    expect(await thrownBy(before({ n: 1 }))).toMatchObject({ effect: 'none' })
    expect(await stateOf()).toBe('released')
    expect((await service.seen('early')).requests).toBe(0)
    await guard.close()

    const late = toolOf(async (context) => await (await context.fetch(`${service.url}/late/slow:250`, post)).json(), {
      timeout: '60ms',
    })
    expect(await thrownBy(late({ n: 1 }))).toMatchObject({ code: 'IN_DOUBT' })
    await expect.poll(stateOf, { timeout: 3_000 }).toBe('committed')
    expect((await service.seen('late')).effects).toBe(1)
  })

  it('but not a cut socket, a time-out, or an answer that breaks off: in doubt', async () => {
    for (const [id, work] of [
      ['cut', (context: ToolContext) => context.fetch(`${service.url}/cut/reset`, post)],
      [
        'timeout',
        (context: ToolContext) =>
          context.fetch(`${service.url}/timeout/slow:300`, { ...post, signal: AbortSignal.timeout(40) }),
      ],
      [
        'broken',
        async (context: ToolContext) => await (await context.fetch(`${service.url}/broken/broken`, post)).json(),
      ],
    ] as const) {
      const tool = toolOf(work)
      expect([id, await thrownBy(tool({ n: 1 }))]).toEqual([id, expect.objectContaining({ code: 'IN_DOUBT' })])
      expect((await service.seen(id)).requests).toBe(1)
      await guard.close()
    }
  })
})

describe('ctx.fetch and redirects', () => {
  it('a write stays on its host, with its key; elsewhere the tool is given the 307', async () => {
    const elsewhere = `${service.url.replace('127.0.0.1', 'localhost')}/other/ok`
    const tool = toolOf(async (context) => {
      const stayed = await context.fetch(`${service.url}/stays/redirect`, post)
      await stayed.text()
      const left = await context.fetch(`${service.url}/leaves/elsewhere?to=${encodeURIComponent(elsewhere)}`, post)
      return [stayed.status, left.status]
    })
    expect(await tool({ n: 1 })).toEqual([200, 307])
    const { requests, keys, bodies } = await service.seen('stays')
    expect([requests, new Set(keys).size, new Set(bodies).size]).toEqual([2, 1, 1])
    expect((await service.seen('other')).requests).toBe(0)
  })
})

describe('ctx.fetch reads what it is given', () => {
  it('a body that it cannot send a second time is not redirected without it: the tool is given the 307', async () => {
    const form = new FormData()
    form.set('n', '1')
    const tool = toolOf(async (context) => {
      const url = `${service.url}/form/redirect`
      return (await context.fetch(new Request(url, { method: 'POST', body: form }))).status
    })
    expect(await tool({ n: 1 })).toBe(307)
    expect((await service.seen('form')).requests).toBe(1)
  })

  const request = (url: string, body: NonNullable<RequestInit['body']>): Request =>
    new Request(url, { method: 'POST', body })
  it.each([
    ['a form', (send: typeof fetch, url: string, n: number) => send(request(url, new URLSearchParams({ n: `${n}` })))],
    ['text', (send: typeof fetch, url: string, n: number) => send(request(url, `${n}`))],
    ['bytes', (send: typeof fetch, url: string, n: number) => send(url, { ...post, body: new Uint16Array([n]) })],
  ])('%s of another one that failed is not its retry, its own is', async (name, send) => {
    const id = `body-${name.replace(' ', '-')}`
    await toolOf(async (context) => {
      for (const n of [1, 2, 1]) await (await send(context.fetch, `${service.url}/${id}/503-after`, n)).text()
    })({ n: 1 })
    const { keys, effects } = await service.seen(id)
    expect([keys[2], new Set(keys).size, effects]).toEqual([keys[0], 2, 2])
  })

  it('a redirect takes the same way out', async () => {
    const paths: string[] = []
    const dispatcher = new Agent().compose((dispatch) => (options, handler) => {
      paths.push(options.path)
      return dispatch(options, handler)
    })
    const init = { ...post, dispatcher } as object
    await toolOf(async (context) => (await context.fetch(`${service.url}/way-out/redirect`, init)).text())({ n: 1 })
    expect(paths).toEqual(['/way-out/redirect', '/way-out/redirect/again'])
    expect(await service.seen('way-out')).toMatchObject({ requests: 2, effects: 1 })
  })
})

describe('onefoldFetch and protectFetch', () => {
  it('are the operation’s ctx.fetch inside a tool, and the plain fetch outside a run', async () => {
    const send = onefoldFetch()
    const tool = toolOf(async () => (await send(`${service.url}/inside/ok`, post)).status)
    await guard.run({ id: 'r1' }, () => tool({ n: 1 }))
    await (await send(`${service.url}/outside/ok`, post)).text()
    expect((await service.seen('inside')).keys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
    expect((await service.seen('inside')).runs).toEqual(['r1'])
    expect(await service.seen('outside')).toMatchObject({ keys: [null], runs: [null] })
  })

  it('count and name the run between tools; protectFetch gives a retried run the same keys', async () => {
    toolOf(() => undefined)
    const [plain, keyedFetch] = [onefoldFetch(), protectFetch(guard)]
    for (let n = 0; n < 2; n += 1) {
      await guard.run({ id: 'r2' }, async () => {
        await (await plain(`${service.url}/plain/ok`, post)).text()
        await (await keyedFetch(`${service.url}/keyed/ok`, post)).text()
        await (await keyedFetch(`${service.url}/keyed/ok`, post)).text()
      })
    }
    await guard.run({ id: 'r3' }, async () => (await keyedFetch(`${service.url}/keyed/ok`, post)).text())
    expect(await service.seen('plain')).toMatchObject({ keys: [null, null], runs: ['r2', 'r2'] })
    const { keys, effects } = await service.seen('keyed')
    expect(keys.slice(2, 4)).toEqual(keys.slice(0, 2))
    expect([new Set(keys).size, effects]).toEqual([3, 3])
  })

  it('protectFetch counts a part of the run that is a run without a name of its own', async () => {
    toolOf(() => undefined)
    const send = protectFetch(guard)
    for (let n = 0; n < 2; n += 1) {
      await guard.run({ id: 'r4' }, async () => {
        await (await send(`${service.url}/part/ok`, post)).text()
        await guard.run({}, async () => (await send(`${service.url}/part/ok`, { ...post, body: '{"b":2}' })).text())
      })
    }
    const { keys, effects } = await service.seen('part')
    expect([new Set(keys.slice(0, 2)).size, effects]).toEqual([2, 2])
    expect(keys.slice(2)).toEqual(keys.slice(0, 2))
  })
})
