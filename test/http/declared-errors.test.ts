import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manual } from '../../src/index.ts'
import { protectHandler } from '../../src/http/index.ts'
import { testGuard } from '../support/guard.ts'
import { ask, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/*
 * Some services answer a refusal by what is a success elsewhere: 302 to the log-in when a session is over, 200 to what
 * they have only put aside. What the operator says of such a status counts.
 */

const ERRORS = [
  { match: 302, effect: 'none' },
  { match: 207, effect: 'unknown' },
  { match: 'declined', effect: 'none' },
] as const

let service: Service
let front: Front
/** While true, sessions are over. */
let isOver: boolean
beforeAll(async () => {
  service = await startService(({ url }, response) => {
    if (url === '/orders') return void response.writeHead(isOver ? 302 : 201, { location: '/login' }).end()
    if (url === '/events') response.writeHead(207, { 'content-type': 'text/event-stream' })
    else response.writeHead(200)
    response.end('declined: 0 orders')
  })
  front = await startFront({
    upstream: service.url,
    routes: ['/orders', '/events', '/listed'].map((path) => write(`POST ${path}`, { key: 'required', errors: ERRORS })),
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const send = (path: string): Promise<Seen> =>
  ask(`${front.url}${path}`, { headers: { 'idempotency-key': path }, body: {} })

describe('what the operator says of a status that is a success elsewhere', () => {
  it('none: the redirect to a log-in is no order, and the next try may be one', async () => {
    isOver = true
    const seen = await send('/orders')
    expect([seen.status, seen.headers['location'], seen.headers['onefold-outcome']]).toEqual([
      302,
      '/login',
      'rejected',
    ])
    isOver = false
    expect((await send('/orders')).headers['onefold-outcome']).toBe('executed')
    expect((await send('/orders')).headers['onefold-outcome']).toBe('replayed')
    expect(service.effects('/orders')).toBe(2)
  })

  it('unknown: told at the end of its stream, as the ledger has it', async () => {
    const seen = await send('/events')
    expect([seen.status, seen.text, seen.headers['onefold-outcome']]).toEqual([207, 'declined: 0 orders', 'in-doubt'])
    expect((await send('/events')).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.effects('/events')).toBe(1)
  })

  it('in a handler too', async () => {
    const guard = testGuard()
    const routes = [{ match: 'POST /orders', key: 'required', recovery: manual(), errors: ERRORS }] as const
    const handle = protectHandler(guard, { routes }, () => {
      return new Response('data: 1', { status: 207, headers: { 'content-type': 'text/event-stream' } })
    })
    const order = { method: 'POST', headers: { 'idempotency-key': 'one' } }
    const seen = await handle(new Request('http://shop.example/orders', order))
    expect([seen.status, seen.headers.get('onefold-outcome')]).toEqual([207, 'in-doubt'])
    await guard.close()
  })
})

it('a text is not looked for in a success, where it may be what was asked for', async () => {
  expect((await send('/listed')).headers['onefold-outcome']).toBe('executed')
})
