import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, startFront, write, type Front, type Seen } from './fixtures/harness.ts'

let orders: Downstream
let front: Front
let shared: Front
let fronted: Front

beforeAll(async () => {
  orders = await startDownstream()
  await orders.honoursKeys(false)
  const routes = [write('POST /effects/:ref'), write('PUT /effects/:ref', { identity: 'all', scope: 'session' })]
  front = await startFront({ upstream: orders.url, routes })
  shared = await startFront({ upstream: orders.url, routes, rules: { principal: 'none' } })
  fronted = await startFront({
    upstream: orders.url,
    routes,
    rules: { principal: { header: 'x-user' }, tenantHeader: 'x-tenant' },
  })
})
afterAll(async () => {
  await Promise.all([front.close(), shared.close(), fronted.close()])
  await orders.close()
})

const post = (base: Front, ref: string, headers: Readonly<Record<string, string>>): Promise<Seen> =>
  ask(`${base.url}/effects/${ref}`, { headers: { 'idempotency-key': 'same', ...headers }, body: { ref } })

describe('two callers with one key', () => {
  it('never meet: two orders, two answers, and neither sees the other’s', async () => {
    const [alice, bob] = [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }]
    const first = await post(front, 'iso', alice)
    const second = await post(front, 'iso', bob)
    expect(second.headers['onefold-outcome']).toBe('executed')
    expect(second.text).not.toBe(first.text)
    expect((await post(front, 'iso', alice)).text).toBe(first.text)
    expect((await post(front, 'iso', bob)).text).toBe(second.text)
    expect(await orders.effects('iso')).toBe(2)
  })

  it('an API key and a cookie tell callers apart as well', async () => {
    const names = ['x-api-key', 'api-key', 'x-goog-api-key', 'x-auth-token', 'x-access-token', 'private-token']
    const proofs = names.flatMap((name) => [{ [name]: `${name} a` }, { [name]: `${name} b` }])
    for (const headers of [...proofs, { cookie: 'sid=a' }, { cookie: 'sid=b' }, {}])
      expect((await post(front, 'iso-proof', headers)).headers['onefold-outcome']).toBe('executed')
    expect(await orders.effects('iso-proof')).toBe(15)
  })

  it('the ledger holds no credentials', async () => {
    await post(front, 'iso-secret', { authorization: 'Bearer canary-7f3', cookie: 'sid=canary-9b1' })
    const lines: string[] = []
    for await (const line of front.guard.ledger.export({})) lines.push(JSON.stringify(line))
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.join('\n')).not.toContain('canary')
  })

  it('principal: none makes one caller of all', async () => {
    await post(shared, 'iso-none', { authorization: 'Bearer alice' })
    expect((await post(shared, 'iso-none', { authorization: 'Bearer bob' })).headers['idempotent-replayed']).toBe(
      'true',
    )
    expect(await orders.effects('iso-none')).toBe(1)
  })
})

describe('a trusted front that names user and tenant', () => {
  it('tells tenants and users apart, and one user’s changing tokens together', async () => {
    const at = (tenant: string, user: string, token: string): Promise<Seen> =>
      post(fronted, 'iso-front', { 'x-tenant': tenant, 'x-user': user, authorization: token })
    await at('acme', 'ann', 'token 1')
    expect((await at('acme', 'ann', 'token 2')).headers['idempotent-replayed']).toBe('true')
    expect((await at('acme', 'ben', 'token 2')).headers['onefold-outcome']).toBe('executed')
    expect((await at('other', 'ann', 'token 2')).headers['onefold-outcome']).toBe('executed')
    expect(await orders.effects('iso-front')).toBe(3)
    const { records } = await fronted.guard.internals.operators.list({})
    expect(new Set(records.map(({ tenant }) => tenant))).toEqual(new Set(['acme', 'other']))
  })

  it('a request without them is refused, and two of them are too', async () => {
    expect((await post(fronted, 'iso-bare', { 'x-tenant': 'acme' })).json()).toMatchObject({ code: 'INPUT_INVALID' })
    expect((await post(fronted, 'iso-bare', { 'x-tenant': 'acme', 'x-user': 'a, b' })).status).toBe(400)
    expect(await orders.effects('iso-bare')).toBe(0)
  })
})

describe('scope: session', () => {
  const put = (session: string | undefined): Promise<Seen> =>
    ask(`${front.url}/effects/iso-session`, {
      method: 'PUT',
      headers: session === undefined ? {} : { 'onefold-session': session },
      body: { n: 1 },
    })

  it('[OR-4] requests of one session share an identity, of two sessions they do not', async () => {
    expect((await put('s-1')).headers['onefold-outcome']).toBe('executed')
    expect((await put('s-1')).headers['onefold-outcome']).toBe('replayed')
    expect((await put('s-2')).headers['onefold-outcome']).toBe('executed')
    expect((await put(undefined)).json()).toMatchObject({ code: 'INPUT_INVALID' })
    expect((await orders.requests('iso-session')).length).toBe(2)
  })
})
