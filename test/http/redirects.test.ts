import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, startFront, write, type Front } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/*
 * A service that has moved an operation says where with its own name. A client that follows 307 or 308 sends its write
 * there: to the service itself, past the gateway.
 */

/** What the service's `Location` is, by the path that was asked for. */
const LOCATIONS: Readonly<Record<string, (origin: string) => string>> = {
  '/api/absolute': (origin) => `${origin}/api/orders?from=old#top`,
  '/api/schemeless': (origin) => `${origin.slice('http:'.length)}/api/orders`,
  '/api/path': () => '/api/orders',
  '/api/root': (origin) => `${origin}/api`,
  '/api/relative': () => 'orders',
  '/api/beside': (origin) => `${origin}/apix/orders`,
  '/api/outside': (origin) => `${origin}/login`,
  '/api/elsewhere': () => 'http://pay.example/api/orders',
  '/api/secure': (origin) => origin.replace('http:', 'https:'),
  '/api/nonsense': () => 'http://[',
}

let service: Service
let front: Front
beforeAll(async () => {
  const lost = new Set<unknown>()
  service = await startService(({ url, headers }, response, socket) => {
    const path = url.split('?')[0] ?? ''
    const location = LOCATIONS[path]
    if (location !== undefined) return void response.writeHead(308, { location: location(service.url) }).end()
    const ref = headers['x-ref']
    if (path === '/api/orders' && ref !== undefined && !lost.has(ref)) {
      lost.add(ref)
      return void socket.destroy()
    }
    const headed = path === '/api/created' ? { location: `${service.url}/api/orders/1` } : {}
    response.writeHead(201, headed).end('{"order":1}')
  })
  front = await startFront({
    upstream: `${service.url}/api`,
    routes: [write('POST /orders')],
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

/** A client that follows redirects, and tries again where it got no answer. */
async function order(url: string, ref: string): Promise<void> {
  const init = { method: 'POST', body: '{}', headers: { 'idempotency-key': ref, 'x-ref': ref } }
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await fetch(url, init).catch(() => undefined)
    if (answer?.ok === true) return
  }
}

const effects = (ref: string): number =>
  service.requests.filter(({ url, headers }) => url.startsWith('/api/orders') && headers['x-ref'] === ref).length

describe('A redirect within the service', () => {
  it('is followed through the gateway', async () => {
    await order(`${service.url}/api/absolute`, 'past')
    expect(effects('past')).toBe(2)
    await order(`${front.url}/absolute`, 'through')
    expect(effects('through')).toBe(1)
    const { records } = await front.guard.ledger.list()
    expect(records.map(({ tool, state }) => [tool, state])).toContainEqual(['shop:POST:/orders', 'in-doubt'])
  })

  it.each([
    ['/absolute', '/orders?from=old#top'],
    ['/schemeless', '/orders'],
    ['/path', '/orders'],
    ['/root', '/'],
    ['/relative', 'orders'],
  ])('of %s leads to %s, of writes and of reads', async (path, location) => {
    expect((await ask(`${front.url}${path}`, { body: '{}' })).headers['location']).toBe(location)
    expect((await ask(`${front.url}${path}`, { method: 'GET' })).headers['location']).toBe(location)
  })
})

describe('What stays as the service said it', () => {
  it.each(['/beside', '/outside', '/elsewhere', '/secure', '/nonsense'])('a redirect of %s', async (path) => {
    const said = LOCATIONS[`/api${path}`]?.(service.url)
    expect((await ask(`${front.url}${path}`, { body: '{}' })).headers['location']).toBe(said)
  })

  it('where a resource was created', async () => {
    const { headers } = await ask(`${front.url}/created`, { body: '{}' })
    expect(headers['location']).toBe(`${service.url}/api/orders/1`)
  })
})
