import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/* A browser shows a page of another origin only answers that say that it may read them. */

const PAGE = 'https://shop.example'
const OTHER = 'https://other.example'
let service: Service
let front: Front
beforeAll(async () => {
  service = await startService(({ headers, method, url }, response, socket) => {
    const cors = {
      'access-control-allow-origin': headers.origin === 'https://evil.example' ? PAGE : (headers.origin ?? ''),
      'access-control-allow-credentials': 'true',
    }
    if (method === 'OPTIONS')
      return void response.writeHead(204, { ...cors, 'access-control-allow-methods': 'POST' }).end()
    if (url === '/lost') return void socket.destroy()
    response.writeHead(201, cors).end('taken')
  })
  front = await startFront({
    upstream: service.url,
    rules: { unknownRoutes: { mode: 'blocked', afterDelivery: 'run', afterError: 'hold' } },
    routes: [write('POST /lost'), write('POST /orders')],
    gateway: { limits: { bodyBytes: 1000 } },
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const preflight = async (path: string, origin: string): Promise<unknown> =>
  (
    await ask(`${front.url}${path}`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    })
  ).status

const send = (path: string, origin: string, key: string, body: object = {}): Promise<Seen> =>
  ask(`${front.url}${path}`, { headers: { origin, ...(key === '' ? {} : { 'idempotency-key': key }) }, body })

const mayRead = ({ headers }: Seen): unknown => headers['access-control-allow-origin']

describe('a page that the service lets read', () => {
  it.each([
    ['a doubt', '/lost', 'k1', {}, 422],
    ['a missing key', '/orders', '', {}, 400],
    ['a body that is too large', '/orders', 'k2', { text: 'x'.repeat(2000) }, 413],
    ['a blocked write', '/unknown', 'k3', {}, 422],
  ])('reads %s that the gateway tells', async (_what, path, key, body, status) => {
    expect(await preflight(path, PAGE)).toBe(204)
    const told = await send(path, PAGE, key, body)
    expect([told.status, mayRead(told), told.headers['access-control-allow-credentials']]).toEqual([
      status,
      PAGE,
      'true',
    ])
    expect(told.headers['vary']).toContain('Origin')
    expect(told.headers['access-control-expose-headers']).toContain('onefold-ticket')
  })

  it('reads the replay of what another page asked for first', async () => {
    await preflight('/orders', OTHER)
    const told = [await send('/orders', PAGE, 'two'), await send('/orders', OTHER, 'two')]
    expect(told.map((one) => [one.headers['onefold-outcome'], mayRead(one)])).toEqual([
      ['executed', PAGE],
      ['replayed', OTHER],
    ])
  })
})

it.each(['https://evil.example', 'https://unheard.example'])('%s, which it does not, reads nothing', async (origin) => {
  if (origin.includes('evil')) await preflight('/orders', origin)
  expect(mayRead(await send('/orders', origin, ''))).toBeUndefined()
})
