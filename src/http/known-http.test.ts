import { describe, expect, it } from 'vitest'
import { composite, keyed, manual } from '../contract/index.ts'
import { onefold, type Guard } from '../index.ts'
import { memoryStore } from '../store/memory/index.ts'
import { protectHandler } from './handler.ts'
import type { HttpOptions } from './route.ts'

const guardOf = (): Guard => onefold({ store: memoryStore(), allowVolatile: true })

/** As plain JavaScript sees it: without types. */
const bare = <T>(value: unknown): T => value as T

const route = (of: object): object => ({ routes: [{ match: 'POST /orders', recovery: manual(), ...of }] })

describe('a protection that is weaker than its words sound is refused', () => {
  it.each<[string, unknown, string]>([
    ['routes that are missing', {}, "routes is no list. Write routes: [{ match: 'POST /orders'"],
    ['a profile', { routes: [], profile: 'strip' }, 'Write ietf or stripe or acp or ucp'],
    ['a principal that names nobody', { routes: [], principal: { headr: 'x-user' } }, 'principal names nobody'],
    ['a principal without its header', { routes: [], principal: { header: '' } }, "Write 'x-user-id'"],
    ['a principal that is a mere name', { routes: [], principal: 'x-user' }, "{ header: 'x-user-id' }"],
    ['a mode', { routes: [], unknownRoutes: { mode: 'block' } }, 'Write guarded or blocked or open'],
    ['an account header without a name', { routes: [], accountHeaders: [''] }, "Write 'x-user-id'"],
    ['account headers that are no list', { routes: [], accountHeaders: 'x-org' }, "Write ['x-org-id']"],
    ['a word of unknownRoutes', { routes: [], unknownRoutes: { mod: 'blocked' } }, 'Did you mean mode?'],
    ['what a key means', route({ key: 'requird', identity: ['body.a'] }), 'Write required or accepted or derived'],
    ['an effect', route({ effect: 'raed', key: 'required' }), 'Write read or write'],
    [
      'a recovery that is missing',
      route({ key: 'required', recovery: undefined }),
      'has no recovery. Say what settles',
    ],
    ['a recovery that was not called', route({ key: 'required', recovery: composite }), 'has no recovery'],
    [
      'an identity outside the request',
      route({ identity: ['cart'] }),
      'Begin it with body, path, query or headers, as body.cart. Nothing',
    ],
    ['what to ignore outside the request', route({ key: 'required', ignore: ['note'] }), 'as body.note'],
  ])('%s', (_what, options, message) => {
    expect(() => protectHandler(guardOf(), bare<HttpOptions>(options), () => new Response())).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }) as Error,
    )
  })

  it('a handler that is missing, before a request could be held as a doubt', () => {
    expect(() => protectHandler(guardOf(), { routes: [] }, bare(undefined))).toThrow('(request) => app.fetch(request)')
  })
})

it('finds headers whatever the case in which a program names them', async () => {
  let effects = 0
  const handle = protectHandler(
    guardOf(),
    {
      principal: { header: 'X-User' },
      tenantHeader: 'X-Tenant',
      unknownRoutes: { mode: 'blocked' },
      routes: [{ match: 'POST /orders', identity: ['headers.X-Event-Id'], recovery: keyed('24h') }],
    },
    () => Response.json({ effects: (effects += 1) }),
  )
  const ask = async (user: string, path = '/orders'): Promise<readonly unknown[]> => {
    const headers = { 'x-user': user, 'x-tenant': 't', 'x-event-id': 'e1' }
    const response = await handle(new Request(`http://shop${path}`, { method: 'POST', headers, body: '{}' }))
    return [response.status, await response.text()]
  }
  expect(await ask('ann')).toEqual([200, '{"effects":1}'])
  expect(await ask('ann')).toEqual([200, '{"effects":1}'])
  expect(await ask('ben')).toEqual([200, '{"effects":2}'])
  expect((await ask('ann', '/other'))[0]).not.toBe(200)
  expect(effects).toBe(2)
})
