import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { temporaryFolder } from '../support/guard.ts'
import { ask, eventually, KEYED, startFront, write, type Front } from './fixtures/harness.ts'
import { startService, type Got, type Service } from './fixtures/service.ts'

/** The service cuts the connection after the first request of each path, and honours keys. */
let service: Service
const folder = temporaryFolder()
const done = new Map<string, string>()
const cut = new Set<string>()
/** Paths that stay silent while this is set. */
let down = false
/** Effects happen, and their answers never come. */
let silent = false
const held: ServerResponse[] = []

function handle(got: Got, response: ServerResponse): void {
  const key = String(got.headers['idempotency-key'])
  if (got.method === 'GET') {
    // To strangers an order of somebody else's does not exist.
    if (got.url.startsWith('/owned') && got.headers.authorization === undefined)
      return void response.writeHead(404).end()
    if (got.url.startsWith('/jobs') && got.headers.authorization !== 'Bearer ann')
      return void response.writeHead(401).end()
    const found = done.get(got.url.split('/').at(-1) ?? '')
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' })
    return void response.end(JSON.stringify({ state: found === undefined ? null : 'confirmed' }))
  }
  if (down) return void response.destroy()
  if (got.url.startsWith('/secured') && got.headers.authorization === undefined)
    return void response.writeHead(401).end()
  const fresh = !done.has(key)
  if (fresh) done.set(key, JSON.stringify({ n: done.size + 1, size: got.body.byteLength }))
  if (got.url.startsWith('/accepted')) {
    response.writeHead(202, { 'content-type': 'application/json' })
    return void response.end(JSON.stringify({ job: key }))
  }
  if (silent) return void held.push(response)
  if (!cut.has(got.url)) {
    cut.add(got.url)
    return void response.destroy()
  }
  response.writeHead(201, { 'content-type': 'application/json' })
  response.end(done.get(key))
}

const routes = [
  write('POST /orders', { key: 'required', recovery: KEYED }),
  write('POST /uploads', { key: 'derived', identity: 'all', recovery: KEYED }),
  write('POST /secured', { key: 'required', recovery: KEYED }),
  write('POST /owned', {
    key: 'required',
    recovery: { class: 'probe', probe: { get: '/owned/{key}', found: undefined }, settle: '0s' },
  }),
  write('POST /listed', {
    key: 'required',
    recovery: { class: 'probe', probe: { get: '/listed/{body.ref}', found: 'body.state' }, settle: '0s' },
  }),
  write('POST /accepted', { key: 'required', verify: { get: '/jobs/{answer.job}', found: 'body.state' } }),
]
const start = (file: string): Promise<Front> =>
  startFront({
    upstream: service.url,
    routes,
    store: sqliteStore(join(folder.path, file)),
    settings: { maxRecoveryBackoffMs: 20 },
    gateway: { limits: { memoryBytes: 100_000 } },
  })

beforeAll(async () => {
  service = await startService(handle)
})
afterAll(async () => {
  await service.close()
  folder.remove()
})

const sentTo = (path: string): readonly Got[] =>
  service.requests.filter(({ url, method }) => url === path && method !== 'GET')

describe('a keyed route sends the frozen request again', () => {
  it('with the same key, path, headers and bytes', async () => {
    const front = await start('a.db')
    const seen = await ask(`${front.url}/orders`, {
      headers: {
        'idempotency-key': '"quoted-1"',
        'content-type': 'application/json',
        'x-other': '1',
        'stripe-account': 'acct_1',
      },
      body: '{ "b": 1, "a": 2.50 }',
    })
    expect([seen.status, seen.json()['n']]).toEqual([201, 1])
    const [first, again] = sentTo('/orders')
    expect(again?.body.toString()).toBe('{ "b": 1, "a": 2.50 }')
    // A service may keep its keys by any of them: an account, a tenant, a name in Host.
    expect(again?.headers).toEqual({ ...first?.headers, 'x-forwarded-for': undefined })
    await front.close()
  })

  it('to the same Host, and as the user whom a trusted front named', async () => {
    const front = await startFront({
      upstream: service.url,
      routes,
      rules: { principal: { header: 'x-user' }, tenantHeader: 'x-tenant' },
      gateway: { preserveHost: true, hosts: ['acme.example'] },
    })
    cut.delete('/orders')
    const headers = { 'idempotency-key': 'named-1', host: 'acme.example', 'x-user': 'ann', 'x-tenant': 'acme' }
    expect((await ask(`${front.url}/orders`, { headers, body: {} })).status).toBe(201)
    const sent = sentTo('/orders').filter((got) => got.headers['idempotency-key'] === 'named-1')
    expect(sent.map((got) => got.headers)).toMatchObject([headers, headers])
    await front.close()
  })

  it('with its own caller’s credentials, also where all callers are one principal', async () => {
    const front = await startFront({ upstream: service.url, routes, rules: { principal: 'none' } })
    silent = true
    const as = (token: string, key: string): Promise<unknown> =>
      ask(`${front.url}/secured`, { headers: { 'idempotency-key': key, authorization: token }, body: {} })
    const alice = as('Bearer alice', 'shared-1')
    await eventually(() => held.at(-1))
    silent = false
    cut.add('/secured')
    await as('Bearer bob', 'shared-2')
    held.pop()?.destroy()
    await alice
    const sent = sentTo('/secured').filter((got) => got.headers['idempotency-key'] === 'shared-1')
    expect(sent.map((got) => got.headers.authorization)).toEqual(['Bearer alice', 'Bearer alice'])
    await front.close()
  })

  it('with its own tenant’s credentials, also where another tenant has a user of that name', async () => {
    const rules = { principal: { header: 'x-user' }, tenantHeader: 'x-tenant' }
    const front = await startFront({ upstream: service.url, routes, rules })
    silent = true
    const as = (tenant: string, key: string): Promise<unknown> =>
      ask(`${front.url}/secured`, {
        headers: { 'idempotency-key': key, 'x-tenant': tenant, 'x-user': 'ann', authorization: `Bearer ${tenant}` },
        body: {},
      })
    const acme = as('acme', 'tenant-1')
    await eventually(() => held.at(-1))
    silent = false
    cut.add('/secured')
    await as('other', 'tenant-2')
    held.pop()?.destroy()
    await acme
    const sent = sentTo('/secured').filter((got) => got.headers['idempotency-key'] === 'tenant-1')
    expect(sent.map((got) => got.headers.authorization)).toEqual(['Bearer acme', 'Bearer acme'])
    await front.close()
  })

  it('also a body too large for the record, and one from the disk', async () => {
    const front = await start('b.db')
    for (const size of [80_000, 300_000]) {
      cut.delete('/uploads')
      const bytes = Buffer.alloc(size, size % 251)
      const seen = await ask(`${front.url}/uploads`, { body: bytes })
      expect([seen.status, seen.json()['size']]).toEqual([201, size])
      expect(sentTo('/uploads').filter(({ body }) => body.equals(bytes)).length).toBe(2)
    }
    await front.close()
  })

  it('after a restart only when somebody with the credentials has asked again; they are in no file', async () => {
    const first = await start('c.db')
    down = true
    const headers = { 'idempotency-key': 'secured-1', authorization: 'Bearer canary-token' }
    const gone = new AbortController()
    const lost = ask(`${first.url}/secured`, { headers, body: {}, signal: gone.signal }).catch(() => undefined)
    await eventually(() => (sentTo('/secured').length > 0 ? true : undefined))
    gone.abort()
    await lost
    await first.close()
    down = false
    cut.add('/secured')
    const second = await start('c.db')
    const before = sentTo('/secured').length
    await second.guard.internals.tick()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(sentTo('/secured').length, 'nothing is sent without them').toBe(before)
    const seen = await ask(`${second.url}/secured`, { headers, body: {} })
    expect(seen.status).toBe(201)
    expect(sentTo('/secured').at(-1)?.headers.authorization).toBe('Bearer canary-token')
    expect(done.has('secured-1')).toBe(true)
    await second.close()
  })
})

describe('a probe route', () => {
  it('asks by the key that the service got, after a restart by nobody without credentials: strangers see nothing', async () => {
    const first = await start('e.db')
    const headers = { 'idempotency-key': 'owned-1', authorization: 'Bearer canary-token' }
    const gone = new AbortController()
    silent = true
    const lost = ask(`${first.url}/owned`, { headers, body: {}, signal: gone.signal }).catch(() => undefined)
    await eventually(() => (sentTo('/owned').length > 0 ? true : undefined))
    gone.abort()
    await lost
    silent = false
    await first.close()
    const second = await start('e.db')
    await second.guard.internals.tick()
    await new Promise((resolve) => setTimeout(resolve, 60))
    const asked = (): readonly Got[] =>
      service.requests.filter(({ url, method }) => /^.owned.+/.test(url) && method === 'GET')
    expect(asked().filter((got) => got.headers.authorization === undefined)).toEqual([])
    const seen = await ask(`${second.url}/owned`, { headers, body: {} })
    expect([seen.status, seen.headers['idempotent-replayed']]).toEqual([200, 'true'])
    expect(asked().length).toBeGreaterThan(0)
    expect(sentTo('/owned').length).toBe(1)
    await second.close()
  })
})

describe('a probe that needs a field of the body', () => {
  it.each([
    ['small', 10],
    ['too large for the record', 80_000],
  ])('%s', async (name, size) => {
    const front = await start(`f-${size}.db`)
    cut.delete('/listed')
    const headers = { 'idempotency-key': `listed-${size}` }
    const before = sentTo('/listed').length
    const body = { ref: `listed-${size}`, text: 'x'.repeat(size) }
    const seen = await ask(`${front.url}/listed`, { headers, body })
    expect([name, seen.status, seen.json()]).toEqual([name, 200, { state: 'confirmed' }])
    expect(sentTo('/listed').length).toBe(before + 1)
    await front.close()
  })
})

describe('a probe that a field would lead elsewhere', () => {
  it.each(['', '.', '..'])('does not ask, and tells of no effect: %j', async (ref) => {
    const front = await start(`g-${ref.length}.db`)
    cut.delete('/listed')
    done.set('', 'a list, and no order')
    const headers = { 'idempotency-key': `elsewhere-${ref.length}` }
    const gone = new AbortController()
    const lost = ask(`${front.url}/listed`, { headers, body: { ref }, signal: gone.signal }).catch(() => undefined)
    const doubt = async (): Promise<string | undefined> => {
      const { records } = await front.guard.ledger.list({ states: ['in-doubt', 'committed'] })
      return records.find(({ evidence, state }) => state === 'committed' || evidence.length > 1)?.state
    }
    expect(await eventually(doubt)).toBe('in-doubt')
    expect(service.requests.filter(({ url }) => /^.listed.\.*$/.test(url))).toEqual([])
    gone.abort()
    await lost
    done.delete('')
    await front.close()
  })
})

describe('a 202 on a route that can verify', () => {
  it('[AG-5] is told as accepted, and done only when the service says so to its caller', async () => {
    const front = await start('d.db')
    const headers = { 'idempotency-key': 'job-1', authorization: 'Bearer ann' }
    const seen = await ask(`${front.url}/accepted`, { headers, body: {} })
    expect([seen.status, seen.json()]).toEqual([202, { job: 'job-1' }])
    const state = async (): Promise<string | undefined> => (await front.guard.ledger.list({})).records[0]?.state
    expect(await state()).toBe('accepted')
    await eventually(async () => ((await state()) === 'committed' ? true : undefined))
    const again = await ask(`${front.url}/accepted`, { headers, body: {} })
    expect([again.status, again.headers['onefold-outcome']]).toEqual([202, 'replayed'])
    expect(sentTo('/accepted').length).toBe(1)
    await front.close()
  })
})
