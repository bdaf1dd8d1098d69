import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, eventually, KEYED, leaves, pause, startFront, write, type Front, type Seen } from './fixtures/harness.ts'

/** Each story runs against the order service itself, where it must go wrong, and through the gateway. */
let orders: Downstream
let front: Front

beforeAll(async () => {
  orders = await startDownstream()
  front = await startFront({
    upstream: orders.url,
    routes: [
      write('POST /effects/:ref'),
      write('PUT /effects/:ref', { recovery: KEYED, key: 'required' }),
      write('PATCH /effects/:ref', {
        key: 'required',
        recovery: { class: 'probe', probe: { get: '/effects/{path.ref}', found: 'body.id' }, settle: '10ms' },
      }),
      write('DELETE /effects/:ref', { identity: ['path.ref'], recovery: KEYED }),
    ],
  })
  await orders.honoursKeys(false)
})
afterAll(async () => {
  await front.close()
  await orders.close()
})

const keyed = (key: string): { readonly 'idempotency-key': string } => ({ 'idempotency-key': key })
const place = (base: string, ref: string, key = `key-${ref}`, method = 'POST'): Promise<Seen> =>
  ask(`${base}/effects/${ref}`, { method, headers: keyed(key), body: { ref, amount: 10 } })

/** A client that gives up after a while and tries again, as gateways and SDKs in front of agents do. */
async function impatient(base: string, ref: string, tries: number, patienceMs: number): Promise<Seen | undefined> {
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    try {
      const seen = await ask(`${base}/effects/${ref}`, {
        headers: keyed(`key-${ref}`),
        body: { ref, amount: 10 },
        signal: AbortSignal.timeout(patienceMs),
      })
      if (seen.status < 500 && seen.status !== 429) return seen
    } catch {
      // Gave up on this try.
    }
  }
  return undefined
}

describe('a service slower than its caller’s patience', () => {
  it('control: a time-out and three retries make four orders', async () => {
    await orders.plan('slow-control', ...Array(4).fill('stall:260'))
    await impatient(orders.url, 'slow-control', 4, 120)
    expect(await orders.effects('slow-control')).toBe(4)
  })

  it('[BF-6] a time-out and three retries (scaled): the end state of a single execution', async () => {
    await orders.plan('slow', 'stall:260')
    const seen = await impatient(front.url, 'slow', 4, 120)
    expect(await orders.effects('slow')).toBe(1)
    expect(seen?.status).toBe(201)
    expect(seen?.headers['idempotent-replayed']).toBe('true')
  })

  it('[IN-15] a second press while the first is under way joins it: one order, one answer', async () => {
    await orders.plan('twice', 'stall:120')
    const first = place(front.url, 'twice')
    await pause(20)
    const [a, b] = await Promise.all([first, place(front.url, 'twice')])
    expect([a.status, b.status, b.text]).toEqual([201, 201, a.text])
    expect([a.headers['onefold-outcome'], b.headers['onefold-outcome']]).toEqual(['executed', 'joined'])
    expect(await orders.effects('twice')).toBe(1)
  })
})

describe('a client that disconnects', () => {
  it('control: it comes back and orders again', async () => {
    await orders.plan('gone-control', 'hold')
    await leaves(orders, 'gone-control', (signal) => ask(`${orders.url}/effects/gone-control`, { signal }))
    await orders.release('gone-control')
    await place(orders.url, 'gone-control')
    const two = async (): Promise<true | undefined> => ((await orders.effects('gone-control')) === 2 ? true : undefined)
    expect(await eventually(two)).toBe(true)
  })

  it('leaves its order running into the ledger, and gets the answer when it comes back', async () => {
    await orders.plan('gone', 'hold')
    const body = { ref: 'gone', amount: 10 }
    await leaves(orders, 'gone', (signal) =>
      ask(`${front.url}/effects/gone`, { headers: keyed('key-gone'), body, signal }),
    )
    const returned = place(front.url, 'gone')
    await orders.release('gone')
    const back = await returned
    expect(back.status).toBe(201)
    expect(await orders.effects('gone')).toBe(1)
  })
})

describe('an answer that is lost after the effect', () => {
  it('control: a 503 after the effect, tried again, makes two', async () => {
    await orders.plan('after-control', 'fail-after')
    await place(orders.url, 'after-control')
    await place(orders.url, 'after-control')
    expect(await orders.effects('after-control')).toBe(2)
  })

  it('[SH-1] manual: its caller gets the 503 unchanged, every repeat the doubt with its ticket', async () => {
    await orders.plan('after', 'fail-after')
    const first = await place(front.url, 'after')
    expect([first.status, first.json()]).toEqual([503, { error: 'gateway time-out' }])
    expect(first.headers['onefold-outcome']).toBe('in-doubt')
    for (let retry = 0; retry < 3; retry += 1) {
      const again = await place(front.url, 'after')
      expect(again.status).toBe(422)
      expect(again.json()).toMatchObject({
        code: 'IN_DOUBT',
        effect: 'unknown',
        ticket: first.headers['onefold-ticket'],
      })
      expect(again.headers['x-should-retry']).toBe('false')
      expect(again.headers['stripe-should-retry']).toBe('false')
      expect(again.headers['retry-after']).toBeUndefined()
    }
    expect(await orders.effects('after')).toBe(1)
    const { records } = await front.guard.ledger.list({ states: ['in-doubt'] })
    expect(records.map(({ reason }) => reason)).toContain('server-error')
  })

  it('[AG-9] a 429 after the effect is no permission to try again', async () => {
    await orders.plan('limit', 'limit-after')
    expect((await place(front.url, 'limit')).status).toBe(429)
    expect((await place(front.url, 'limit')).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(await orders.effects('limit')).toBe(1)
  })

  it('keyed: the caller gets the 503, the repeat the recovered answer, by the same key', async () => {
    await orders.honoursKeys(true)
    await orders.plan('keyed', 'fail-after')
    expect((await place(front.url, 'keyed', 'k-keyed', 'PUT')).status).toBe(503)
    const again = await place(front.url, 'keyed', 'k-keyed', 'PUT')
    // Joined or replayed: the sweeper may be recovering it this moment.
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([200, 'true'])
    expect(await orders.effects('keyed')).toBe(1)
    const sent = await orders.requests('keyed')
    expect(sent.length).toBe(2)
    expect(new Set(sent.map((headers) => headers['idempotency-key']))).toEqual(new Set(['k-keyed']))
    await orders.honoursKeys(false)
  })

  it('keyed: a connection that was cut is settled inside the same request', async () => {
    await orders.honoursKeys(true)
    await orders.plan('cut', 'lose-answer')
    const seen = await place(front.url, 'cut', 'k-cut', 'PUT')
    expect([seen.status, seen.headers['onefold-outcome']]).toEqual([200, 'executed'])
    expect(await orders.effects('cut')).toBe(1)
    await orders.honoursKeys(false)
  })

  it('derived: a fresh key on every retry changes nothing, and the service gets one and the same', async () => {
    await orders.honoursKeys(true)
    await orders.plan('derived', 'lose-answer')
    await place(front.url, 'derived', 'fresh-1', 'DELETE')
    const again = await place(front.url, 'derived', 'fresh-2', 'DELETE')
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(await orders.effects('derived')).toBe(1)
    const keys = new Set((await orders.requests('derived')).map((headers) => headers['idempotency-key']))
    expect([...keys]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
    await orders.honoursKeys(false)
  })

  it('probe: a GET says that the order is there', async () => {
    await orders.plan('probed', 'lose-answer')
    const seen = await place(front.url, 'probed', 'k-probed', 'PATCH')
    expect(seen.json()).toMatchObject({ ref: 'probed' })
    expect(await orders.effects('probed')).toBe(1)
  })

  it('probe: a GET says that it is not, and the caller’s own request does it then', async () => {
    await orders.plan('unprobed', 'lose-request')
    const seen = await place(front.url, 'unprobed', 'k-unprobed', 'PATCH')
    expect(seen.status).toBe(201)
    expect(await orders.effects('unprobed')).toBe(1)
  })
})

describe('an answer that settles', () => {
  it('422 is passed on and may be corrected under the same key', async () => {
    await orders.plan('refused', 'refuse')
    const first = await place(front.url, 'refused')
    expect([first.status, first.json(), first.headers['onefold-outcome']]).toEqual([
      422,
      { error: 'refused' },
      'rejected',
    ])
    const corrected = await ask(`${front.url}/effects/refused`, {
      headers: keyed('key-refused'),
      body: { ref: 'refused', amount: 11 },
    })
    expect(corrected.status).toBe(201)
    expect(await orders.effects('refused')).toBe(1)
  })

  it('[OR-3] a duplicate gets the original status, id and body, never a bare 409', async () => {
    const first = await place(front.url, 'original')
    const again = await place(front.url, 'original')
    expect([again.status, again.text]).toEqual([first.status, first.text])
    expect(again.headers['idempotency-key']).toBe('key-original')
    expect(await orders.effects('original')).toBe(1)
  })
})

describe('64 concurrent requests with one key', () => {
  it('control: 64 orders', async () => {
    await Promise.all(Array.from({ length: 64 }, () => place(orders.url, 'many-control', 'one')))
    expect(await orders.effects('many-control')).toBe(64)
  })

  it('one order, 64 identical answers', async () => {
    await orders.plan('many', 'stall:50')
    const seen = await Promise.all(Array.from({ length: 64 }, () => place(front.url, 'many', 'one-many')))
    expect(await orders.effects('many')).toBe(1)
    expect(new Set(seen.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(seen.filter(({ headers }) => headers['onefold-outcome'] === 'executed').length).toBe(1)
  })
})

describe('the run', () => {
  it('[BF-1] is handed on, or derived from the request’s own key, the same on every attempt', async () => {
    await ask(`${front.url}/effects/run-given`, {
      headers: { ...keyed('run-key'), 'onefold-run': 'run-7' },
      body: { ref: 'run-given' },
    })
    expect((await orders.requests('run-given'))[0]?.['onefold-run']).toBe('run-7')
    await place(front.url, 'run-derived', 'run-key-2')
    expect((await orders.requests('run-derived'))[0]?.['onefold-run']).toMatch(/^key-/)
    const { records } = await front.guard.ledger.list({ run: 'run-7' })
    expect(records.map(({ unanchored }) => unanchored)).toEqual([false])
  })

  it('is minted and says so where nothing names it', async () => {
    await ask(`${front.url}/effects/unanchored`, { method: 'DELETE' })
    const { records } = await front.guard.ledger.list({ tool: 'shop:DELETE:/effects/:ref' })
    expect(records.some(({ unanchored, run }) => unanchored && run !== undefined)).toBe(true)
  })
})
