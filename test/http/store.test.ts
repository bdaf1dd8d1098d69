import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, startFront, write, type Front } from './fixtures/harness.ts'

/** A store that can be taken away: it fails at once, or never answers. */
function fragileStore(): Store & { mode: 'well' | 'gone' | 'frozen' } {
  const inner = memoryStore()
  const guarded = <T>(work: () => Promise<T>): Promise<T> => {
    if (store.mode === 'gone') return Promise.reject(new Error('connection refused'))
    return store.mode === 'frozen' ? new Promise(() => {}) : work()
  }
  const store: Store & { mode: 'well' | 'gone' | 'frozen' } = {
    ...inner,
    guarantees: { ...inner.guarantees, localReads: false },
    mode: 'well',
    read: (key, tenant) => guarded(async () => await inner.read(key, tenant)),
    write: (write) => guarded(() => inner.write(write)),
    putBlob: (owner, sha256, bytes) => guarded(() => inner.putBlob(owner, sha256, bytes)),
  }
  return store
}

let orders: Downstream
let front: Front
const store = fragileStore()

beforeAll(async () => {
  orders = await startDownstream()
  front = await startFront({
    upstream: orders.url,
    store,
    routes: [write('POST /effects/:ref')],
    settings: { storeDeadlineMs: 150 },
  })
})
afterAll(async () => {
  store.mode = 'well'
  await front.close()
  await orders.close()
})

describe('without a ledger', () => {
  it.each(['gone', 'frozen'] as const)(
    'that is %s: 503 with Retry-After, and no effect; reads still pass',
    async (mode) => {
      store.mode = mode
      const seen = await ask(`${front.url}/effects/store-${mode}`, { headers: { 'idempotency-key': mode }, body: {} })
      expect([seen.status, seen.json()]).toMatchObject([503, { code: 'STORE_UNAVAILABLE', effect: 'none' }])
      expect(Number(seen.headers['retry-after'])).toBeGreaterThanOrEqual(1)
      expect((await ask(`${front.url}/effects/store-${mode}`, { method: 'GET' })).status).toBe(404)
      store.mode = 'well'
      expect(await orders.effects(`store-${mode}`)).toBe(0)
      const again = await ask(`${front.url}/effects/store-${mode}`, { headers: { 'idempotency-key': mode }, body: {} })
      expect(again.status).toBe(201)
      expect(await orders.effects(`store-${mode}`)).toBe(1)
    },
  )

  it('lost after the effect: the real answer, marked as not recorded yet', async () => {
    await orders.plan('store-after', 'stall:60')
    const work = ask(`${front.url}/effects/store-after`, { headers: { 'idempotency-key': 'after' }, body: {} })
    await orders.until('store-after', 1)
    store.mode = 'gone'
    const seen = await work
    store.mode = 'well'
    expect([seen.status, seen.headers['onefold-recorded']]).toEqual([201, 'false'])
    expect(await orders.effects('store-after')).toBe(1)
  })
})

describe('without a service', () => {
  it('503: nothing was sent, it may be sent again', async () => {
    const lonely = await startFront({ upstream: 'http://127.0.0.1:1', routes: [write('POST /orders')] })
    const seen = await ask(`${lonely.url}/orders`, { headers: { 'idempotency-key': 'x' }, body: {} })
    expect([seen.status, seen.json()]).toMatchObject([503, { code: 'UPSTREAM_DOWN', effect: 'none' }])
    expect(Number(seen.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect((await ask(`${lonely.url}/orders`, { method: 'GET' })).status).toBe(503)
    const { records } = await lonely.guard.ledger.list({})
    expect(records.map(({ state }) => state)).toEqual(['released'])
    await lonely.close()
  })

  it('one that breaks off: 502, and what a request that passes came to is not known', async () => {
    const service = createServer((_request, response) => response.destroy())
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
    const { port } = service.address() as AddressInfo
    const broken = await startFront({ upstream: `http://127.0.0.1:${port}`, routes: [write('POST /orders')] })
    const seen = await ask(`${broken.url}/orders`, { method: 'GET' })
    expect([seen.status, seen.json()]).toMatchObject([
      502,
      { code: 'UPSTREAM_DOWN', status: 502, effect: 'unknown', detail: 'the service broke off before it answered.' },
    ])
    await broken.close()
    service.close()
  })
})
