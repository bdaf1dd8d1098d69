import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import * as z from 'zod'
import { manual, type ToolContext } from '../../src/contract/index.ts'
import { isOnefoldError, OnefoldError } from '../../src/error/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { errorResponse } from '../../src/http/exchange/index.ts'
import { protectHandler } from '../../src/http/index.ts'
import { install } from '../../src/register/install.ts'
import { testGuard } from '../support/guard.ts'
import { ask, KEYED, startFront, write, type Front, type FrontOptions } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/*
 * One Onefold in front of another: a gateway before a gateway, a protected program whose client goes through one. The
 * inner one tells its doubt with 422. Taken for a refusal, the outer one made the request again as new work, under a key
 * that the inner one had never seen: the effect happened once more with every retry.
 */

let service: Service
let inner: Front
beforeAll(async () => {
  service = await startService(({ url }, response, socket) => {
    if (url.startsWith('/lost')) return void socket.destroy()
    if (url === '/stream')
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
    response.writeHead(201).end('{"id":1}')
  })
  inner = await startFront({ upstream: service.url, routes: [write('POST /strict')] })
})
afterAll(async () => {
  await inner.close()
  await service.close()
})

const states = async ({ guard }: { readonly guard: Guard }): Promise<readonly string[]> =>
  (await guard.ledger.list()).records.map(({ state }) => state)

describe('a gateway before a gateway', () => {
  async function behind(options: Omit<FrontOptions, 'upstream'>, work: (outer: Front) => Promise<void>): Promise<void> {
    const outer = await startFront({ upstream: inner.url, ...options })
    try {
      await work(outer)
    } finally {
      await outer.close()
    }
  }

  it.each([
    ['a write that no route declares', '/lost/undeclared', {}],
    ['a derived key', '/lost/derived', { routes: [write('POST /lost/derived', { identity: ['body.n'] })] }],
    [
      'a route that reads 422 as no effect',
      '/lost/declared',
      { routes: [write('POST /lost/declared', { identity: 'all', errors: [{ match: 422, effect: 'none' }] })] },
    ],
    [
      'a route that reads 422 as done',
      '/lost/known',
      { routes: [write('POST /lost/known', { identity: 'all', errors: [{ match: 422, effect: 'done' }] })] },
    ],
  ] satisfies readonly (readonly [string, string, Omit<FrontOptions, 'upstream'>])[])(
    'takes the doubt of the inner one for a doubt: %s',
    async (_name, path, options) => {
      await behind(options, async (outer) => {
        for (let tries = 0; tries < 3; tries += 1) {
          const seen = await ask(`${outer.url}${path}`, { body: { n: 1 } })
          expect([seen.status, seen.json()['code'], seen.headers['onefold-outcome']]).toEqual([
            422,
            'IN_DOUBT',
            'in-doubt',
          ])
        }
        expect(service.effects(path)).toBe(1)
        expect(await states(outer)).toEqual(['in-doubt'])
      })
    },
  )

  it('keyed, learns from the inner one what came of it', async () => {
    const routes = [write('POST /lost/keyed', { recovery: KEYED, key: 'required' })]
    await behind({ routes, settings: { maxRecoveryBackoffMs: 20 } }, async (outer) => {
      const place = (): ReturnType<typeof ask> =>
        ask(`${outer.url}/lost/keyed`, { headers: { 'idempotency-key': 'keyed' }, body: { n: 1 } })
      expect((await place()).status).toBe(422)
      const [ours] = (await outer.guard.ledger.list()).records
      const [theirs] = (await inner.guard.ledger.list({ run: ours?.run ?? '' })).records
      const verdict = { verdict: 'committed', who: 'ann', note: 'seen in the books', value: { id: 7 } } as const
      await inner.guard.ledger.resolve(theirs?.key ?? '', verdict)
      expect((await place()).json()).toEqual({ id: 7 })
      expect(service.effects('/lost/keyed')).toBe(1)
    })
  })

  it('tells of its own operation once, also at the head of a stream', async () => {
    await behind({ routes: [write('POST /stream', { key: 'required' })] }, async (outer) => {
      const seen = await ask(`${outer.url}/stream`, { headers: { 'idempotency-key': 'streamed' }, body: { n: 1 } })
      expect([seen.text, seen.headers['onefold-outcome'], seen.headers['idempotency-key']]).toEqual([
        'data: 1\n\n',
        'executed',
        'streamed',
      ])
    })
  })

  it('believes that nothing happened where it is told to', async () => {
    const nobody = await startFront({ upstream: 'http://127.0.0.1:9' })
    const rules = { errors: [{ match: '"effect":"none"', effect: 'none' }] } as const
    for (const [given, state] of [
      [{}, 'in-doubt'],
      [rules, 'rejected'],
    ] as const) {
      const outer = await startFront({ upstream: nobody.url, rules: given })
      const seen = await ask(`${outer.url}/orders`, { headers: { 'idempotency-key': 'one' }, body: {} })
      expect([seen.status, seen.json()['effect']]).toEqual([503, 'none'])
      expect(await states(outer)).toEqual([state])
      await outer.close()
    }
    await nobody.close()
  })
})

it.each([
  ['unknown', 'in-doubt'],
  ['done', 'in-doubt'],
  ['none', 'rejected'],
] as const)('what another version of a route has recorded, effect %s, is told as %s', (effect, outcome) => {
  const { headers } = errorResponse('ietf', new OnefoldError('CONTRACT_SUPERSEDED', 'x', { effect }), undefined)
  expect(headers).toContainEqual(['onefold-outcome', outcome])
})

describe('a protected program behind whose client a gateway stands', () => {
  const post = (url: string): Promise<{ readonly status: number }> =>
    new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST' }, (incoming) => {
        incoming.resume()
        resolve({ status: incoming.statusCode ?? 0 })
      })
      outgoing.on('error', reject)
      outgoing.end('{}')
    })
  const clients = {
    'ctx.fetch': async (url: string, context: ToolContext) => await context.fetch(url, { method: 'POST', body: '{}' }),
    'fetch under onefold/register': async (url: string) => await fetch(url, { method: 'POST', body: '{}' }),
    'node:http under onefold/register': async (url: string) => await post(url),
  }

  it.each(Object.entries(clients))('takes its doubt for a doubt: %s', async (name, send) => {
    // The inner gateway is in this process too, and its own sends are not the program's.
    const uninstall = install({ ignore: [new URL(service.url).host] })
    const guard = testGuard()
    onTestFinished(async () => {
      uninstall()
      await guard.close()
    })
    const path = `/lost/${name.replaceAll(/\W/g, '-')}`
    const tool = guard.tool({
      name: 'writes',
      input: z.object({ n: z.number() }),
      effect: 'write',
      identity: ['n'],
      recovery: manual(),
      sends: 'checked',
      execute: async (_input, context) => {
        const { status } = await send(`${inner.url}${path}`, context)
        if (status >= 400) throw Object.assign(new Error(`answered ${status}`), { status })
        return status
      },
    })
    for (let tries = 0; tries < 3; tries += 1) {
      const error: unknown = await tool({ n: 1 }).catch((thrown: unknown) => thrown)
      expect(isOnefoldError(error) && [error.code, error.effect]).toEqual(['IN_DOUBT', 'unknown'])
    }
    expect(service.effects(path)).toBe(1)
  })

  it('and so does a handler that hands its answer on', async () => {
    const guard = testGuard()
    const handle = protectHandler(
      guard,
      { routes: [{ match: 'POST /**', identity: 'all', recovery: manual() }] },
      async (_request, context) =>
        await fetch(`${inner.url}/lost/handler`, {
          method: 'POST',
          body: '{}',
          headers: { 'idempotency-key': context?.downstreamKey() ?? '' },
        }),
    )
    for (let tries = 0; tries < 3; tries += 1) {
      const seen = await handle(new Request('http://shop.example/orders', { method: 'POST', body: '{}' }))
      expect([seen.status, seen.headers.get('onefold-outcome')]).toEqual([422, 'in-doubt'])
    }
    expect(service.effects('/lost/handler')).toBe(1)
    await guard.close()
  })
})
