import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, pause, startFront, write, type Front, type Seen } from './fixtures/harness.ts'

let orders: Downstream
const fronts = new Map<string, Front>()

beforeAll(async () => {
  orders = await startDownstream()
  for (const profile of ['ietf', 'stripe', 'acp', 'ucp'] as const) {
    const options = { upstream: orders.url, routes: [write('POST /effects/:ref')] }
    fronts.set(profile, await startFront({ ...options, rules: { profile }, settings: { waitMs: 60 } }))
  }
})
afterAll(async () => {
  for (const front of fronts.values()) await front.close()
  await orders.close()
})

const send = (profile: string, ref: string, key: string | undefined, body: string | object = { n: 1 }): Promise<Seen> =>
  ask(`${(fronts.get(profile) as Front).url}/effects/${ref}`, {
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
    body,
  })

/** How each profile tells one case: status and body. */
const CASES = {
  missing: {
    ietf: [400, { code: 'KEY_MISSING', title: 'Idempotency-Key is missing' }],
    stripe: [400, { error: { type: 'invalid_request_error', code: 'key_missing' } }],
    acp: [400, { type: 'invalid_request', code: 'idempotency_key_required' }],
    ucp: [400, { code: 'KEY_MISSING' }],
  },
  changed: {
    ietf: [422, { code: 'KEY_REUSED', title: 'Idempotency-Key is already used', fields: ['body.n'] }],
    stripe: [400, { error: { type: 'idempotency_error' } }],
    acp: [422, { type: 'invalid_request', code: 'idempotency_conflict' }],
    ucp: [409, { code: 'KEY_REUSED' }],
  },
  inFlight: {
    ietf: [409, { code: 'IN_PROGRESS' }],
    stripe: [409, { error: { code: 'idempotency_key_in_use' } }],
    acp: [409, { code: 'idempotency_in_flight' }],
    ucp: [409, { code: 'IN_PROGRESS' }],
  },
  doubt: {
    ietf: [422, { code: 'IN_DOUBT', effect: 'unknown' }],
    stripe: [422, { error: { type: 'idempotency_error', code: 'in_doubt', effect: 'unknown' } }],
    acp: [422, { code: 'in_doubt', effect: 'unknown' }],
    ucp: [422, { code: 'IN_DOUBT', effect: 'unknown' }],
  },
} as const

describe.each(['ietf', 'stripe', 'acp', 'ucp'] as const)('profile %s', (profile) => {
  it('[IN-6] [OR-7] a missing key is refused before the service is asked', async () => {
    const seen = await send(profile, `${profile}-missing`, undefined)
    expect([seen.status, seen.json()]).toMatchObject(CASES.missing[profile] as never)
    expect(await orders.effects(`${profile}-missing`)).toBe(0)
  })

  it('another body under the same key is refused, and never tells the stored answer', async () => {
    const ref = `${profile}-changed`
    const first = await send(profile, ref, ref)
    const changed = await send(profile, ref, ref, { n: 2 })
    expect([changed.status, changed.json()]).toMatchObject(CASES.changed[profile] as never)
    expect(changed.text).not.toContain(String(first.json()['id']))
    expect([changed.headers['x-should-retry'], changed.headers['stripe-should-retry']]).toEqual(['false', 'false'])
    expect(await orders.effects(ref)).toBe(1)
  })

  it('a request that outlasts the wait is in flight, with Retry-After', async () => {
    const ref = `${profile}-flight`
    await orders.plan(ref, 'stall:250')
    const first = send(profile, ref, ref)
    await pause(20)
    const second = await send(profile, ref, ref)
    expect([second.status, second.json()]).toMatchObject(CASES.inFlight[profile] as never)
    expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(second.headers['x-should-retry']).toBeUndefined()
    expect((await first).status).toBe(201)
    expect(await orders.effects(ref)).toBe(1)
  })

  it('a doubt tells clients to stop', async () => {
    const ref = `${profile}-doubt`
    await orders.plan(ref, 'fail-after')
    expect((await send(profile, ref, ref)).status).toBe(503)
    const again = await send(profile, ref, ref)
    expect([again.status, again.json()]).toMatchObject(CASES.doubt[profile] as never)
    expect([again.headers['x-should-retry'], again.headers['retry-after']]).toEqual(['false', undefined])
    expect(await orders.effects(ref)).toBe(1)
  })

  it('equal requests are answered equally, also concurrently', async () => {
    const ref = `${profile}-equal`
    const patient = await startFront({
      upstream: orders.url,
      routes: [write('POST /effects/:ref')],
      rules: { profile },
    })
    const post = (): Promise<Seen> =>
      ask(`${patient.url}/effects/${ref}`, { headers: { 'idempotency-key': ref }, body: { n: 1 } })
    const seen = await Promise.all(Array.from({ length: 20 }, post))
    expect(new Set(seen.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(await orders.effects(ref)).toBe(1)
    await patient.close()
  })
})

describe('what counts as another body', () => {
  it('ietf and acp: reordered members are the same request; null is not absent', async () => {
    for (const profile of ['ietf', 'acp']) {
      const ref = `${profile}-order`
      await send(profile, ref, ref, '{"a":1,"b":1.0}')
      expect((await send(profile, ref, ref, '{ "b": 1, "a": 1 }')).headers['idempotent-replayed']).toBe('true')
      expect((await send(profile, ref, ref, '{"a":1,"b":1,"c":null}')).status).toBe(422)
    }
  })

  it('ucp: the raw bytes', async () => {
    await send('ucp', 'ucp-raw', 'ucp-raw', '{"a":1,"b":1}')
    expect((await send('ucp', 'ucp-raw', 'ucp-raw', '{"a":1,"b":1}')).headers['idempotent-replayed']).toBe('true')
    expect((await send('ucp', 'ucp-raw', 'ucp-raw', '{"b":1,"a":1}')).status).toBe(409)
  })

  it('two ids that JSON.parse would make one are two', async () => {
    await send('ietf', 'big', 'big', '{"id":12345678901234567890}')
    expect((await send('ietf', 'big', 'big', '{"id":12345678901234567891}')).status).toBe(422)
  })
})

describe('the key', () => {
  it('quoted and bare are one key; each is echoed as it was sent', async () => {
    const bare = await send('ietf', 'quoted', 'q-1')
    const quoted = await send('ietf', 'quoted', '"q-1"')
    expect(quoted.headers['idempotent-replayed']).toBe('true')
    expect([bare.headers['idempotency-key'], quoted.headers['idempotency-key']]).toEqual(['q-1', '"q-1"'])
  })

  it.each([
    ['over 255 characters', 'k'.repeat(256)],
    ['empty', '""'],
    ['with a blank inside', 'a b'],
    ['not ASCII', 'schl\u00fcssel'],
    ['with an open quote', '"abc'],
  ])('%s is refused and does nothing', async (_name, key) => {
    const seen = await send('ietf', 'bad-key', key)
    expect([seen.status, seen.json()['code']]).toEqual([400, 'KEY_INVALID'])
    expect(await orders.effects('bad-key')).toBe(0)
  })

  it('255 characters are taken', async () => {
    expect((await send('ietf', 'long-key', 'k'.repeat(255))).status).toBe(201)
  })

  it('strict mode demands the quoted string of the draft', async () => {
    const strict = await startFront({
      upstream: orders.url,
      rules: { strict: true },
      routes: [write('POST /effects/:ref')],
    })
    const post = (key: string): Promise<Seen> =>
      ask(`${strict.url}/effects/strict`, { headers: { 'idempotency-key': key }, body: { n: 1 } })
    expect((await post('bare')).json()).toMatchObject({ code: 'KEY_INVALID' })
    expect((await post('"quoted"')).status).toBe(201)
    await strict.close()
  })
})
