import { Agent } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { openLine, type Line } from '../../bench/gateway/client.ts'
import { temporaryFolder } from '../support/guard.ts'
import { ask, pause, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

let service: Service
let front: Front
const folder = temporaryFolder()
const ORDERS = 500
const DUPLICATES = 14_000
/** Long enough that a hundred duplicates fall into it on a busy machine too. */
const FLOOD_WINDOW_MS = 3_000

beforeAll(async () => {
  let orders = 0
  service = await startService((_got, response) => {
    orders += 1
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ id: `order-${orders}` }))
  })
  front = await startFront({
    upstream: service.url,
    store: sqliteStore(join(folder.path, 'ledger.db')),
    routes: [write('POST /orders'), write('POST /flood')],
    gateway: { limits: { floodDuplicates: 100, floodWindowMs: FLOOD_WINDOW_MS } },
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
  folder.remove()
})

describe('a flash sale', () => {
  it('[OR-12] 14,000 duplicates of 500 orders, as fast as the client can: 500 orders, every duplicate the original answer', async () => {
    const lines: Line[] = await Promise.all(Array.from({ length: 64 }, () => openLine(Number(new URL(front.url).port))))
    const originals = new Map<number, string>()
    const statuses = new Map<number, number>()
    let wrong = 0
    let turn = 0
    await Promise.all(
      lines.map(async (line) => {
        while (turn < ORDERS + DUPLICATES) {
          const order = (turn += 1) % ORDERS
          const reply = await line.post('/orders', `order-${order}`, `{"order":${order}}`)
          statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
          const original = originals.get(order) ?? reply.body
          originals.set(order, original)
          if (reply.body !== original) wrong += 1
        }
        line.end()
      }),
    )
    expect(service.effects('/orders')).toBe(ORDERS)
    expect(new Set(originals.values()).size).toBe(ORDERS)
    expect([...statuses.keys()]).toEqual([201])
    expect([...statuses.values()][0]).toBeGreaterThanOrEqual(ORDERS + DUPLICATES)
    expect(wrong).toBe(0)
  }, 30_000)
})

describe('a client that floods one operation', () => {
  it('[OR-9] is refused with Retry-After until it is quiet; everybody else, and its other work, is served', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const post = (key: string, who: string): Promise<Seen> =>
      ask(`${front.url}/flood`, { headers: { 'idempotency-key': key, authorization: who }, body: { n: 1 }, agent })
    await post('flooded', 'noisy')
    const flood = await Promise.all(Array.from({ length: 400 }, () => post('flooded', 'noisy')))
    const refused = flood.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(100)
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(refused[0]?.json()).toMatchObject({ code: 'TOO_MANY' })
    expect((await post('flooded', 'noisy')).status).toBe(429)
    const others = await Promise.all([post('flooded', 'honest'), post('other', 'noisy'), post('other', 'honest')])
    expect(others.map(({ status }) => status)).toEqual([201, 201, 201])
    await pause(FLOOD_WINDOW_MS + 100)
    expect((await post('flooded', 'noisy')).headers['idempotent-replayed']).toBe('true')
    expect(service.effects('/flood')).toBe(4)
    agent.destroy()
  })
})

describe('a crowd on one operation', () => {
  it('over the limit of waiters is told to come back; the effect happens once', async () => {
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    const slow = await startService(async (_got, response) => {
      await gate
      response.writeHead(201).end('done')
    })
    const crowded = await startFront({
      upstream: slow.url,
      routes: [write('POST /orders')],
      gateway: { limits: { waiters: 8 } },
    })
    let refused = 0
    const work = Array.from({ length: 24 }, async () => {
      const seen = await ask(`${crowded.url}/orders`, { headers: { 'idempotency-key': 'crowd' }, body: {} })
      if (seen.status === 409 && (refused += 1) === 16) release()
      return seen
    })
    const statuses = (await Promise.all(work)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 201).length).toBe(8)
    expect(statuses.filter((status) => status === 409).length).toBe(16)
    expect(slow.effects('/orders')).toBe(1)
    await crowded.close()
    await slow.close()
  })
})
