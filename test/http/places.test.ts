import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manual } from '../../src/index.ts'
import { protectHandler } from '../../src/http/index.ts'
import { testGuard } from '../support/guard.ts'
import { ask, KEYED, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/** Requests that are alike but for a header by which the service goes. */
let service: Service
let front: Front
beforeAll(async () => {
  service = await startService(({ headers, method, url }, response, socket) => {
    if (url === '/v1/lost' && service.effects(url) === 1) return void socket.destroy()
    const about = [headers.host, headers['stripe-account'], headers['x-amz-target'], headers['x-http-method-override']]
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ about, method }))
  })
  front = await startFront({
    upstream: service.url,
    routes: [
      write('POST /v1/payouts'),
      write('POST /v1/lost', { recovery: KEYED }),
      write('POST /v1/refunds', { identity: ['body.charge'] }),
    ],
    rules: { accountHeaders: ['x-auth-org'] },
    gateway: { preserveHost: true, hosts: ['a.example', 'b.example'] },
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const send = (path: string, headers: Readonly<Record<string, string>>, method = 'POST'): Promise<Seen> =>
  ask(`${front.url}${path}`, { method, headers, body: { charge: 'ch_1' } })

const told = async (path: string, headers: readonly Readonly<Record<string, string>>[]): Promise<unknown> => {
  const outcomes: unknown[] = []
  for (const one of headers) outcomes.push((await send(path, one)).headers['onefold-outcome'])
  return outcomes
}

describe('alike but for', () => {
  it.each(['/other', '/v1/payouts', '/v1/refunds'])('the host that the service is told, at %s', async (path) => {
    const [a, b] = ['a.example', 'b.example'].map((host) => ({ host, 'idempotency-key': 'same' }))
    expect(await told(path, [a ?? {}, b ?? {}, { ...a, host: 'A.example' }, b ?? {}])).toEqual([
      'executed',
      'executed',
      'replayed',
      'replayed',
    ])
  })

  it.each(
    ['/other', '/v1/payouts', '/v1/refunds'].flatMap((path) =>
      ['stripe-account', 'xero-tenant-id', 'x-auth-org'].map((name) => [path, name] as const),
    ),
  )('the account that the caller acts for, at %s by %s', async (path, name) => {
    const [one, two] = ['acct_1', 'acct_2'].map((account) => ({ [name]: account, 'idempotency-key': `k-${name}` }))
    expect(await told(path, [one ?? {}, two ?? {}, one ?? {}])).toEqual(['executed', 'executed', 'replayed'])
  })

  it('and what is sent again goes to that account, also where its header sounds like a credential', async () => {
    const before = service.requests.length
    const lost = await send('/v1/lost', { 'x-auth-org': 'acct_1', 'idempotency-key': 'lost-1' })
    expect(lost.status).toBe(200)
    const sent = service.requests.slice(before).map(({ headers }) => headers['x-auth-org'])
    expect(sent).toEqual(['acct_1', 'acct_1'])
  })

  it.each([
    'x-amz-target',
    'soapaction',
    'x-http-method-override',
    'destination',
    'content-range',
    'upload-offset',
    'x-amz-copy-source',
    'x-ms-range',
  ])('the action that %s names', async (name) => {
    const path = `/actions/${name}`
    expect(await told(path, [{ [name]: 'Get' }, { [name]: 'Delete' }, { [name]: 'Get' }, {}])).toEqual([
      'executed',
      'executed',
      'replayed',
      'executed',
    ])
    const key = { 'idempotency-key': `${name}-1` }
    await send('/v1/payouts', { ...key, [name]: 'Get' })
    const reused = await send('/v1/payouts', { ...key, [name]: 'Delete' })
    expect(reused.json()).toMatchObject({ code: 'KEY_REUSED', fields: [`headers.${name}`] })
  })
})

describe('without a key', () => {
  it.each(['if-match', 'if-none-match', 'if-unmodified-since'])('the state that %s names', async (name) => {
    const path = `/states/${name}`
    const [before, since] = ['"1"', '"2"'].map((state) => ({ [name]: state }))
    expect(await told(path, [before ?? {}, before ?? {}, since ?? {}, since ?? {}])).toEqual([
      'executed',
      'replayed',
      'executed',
      'replayed',
    ])
    expect(service.effects(path)).toBe(2)
  })

  it('and under one key it is the same request, as to what was done before its client looked again', async () => {
    const [before, since] = ['"1"', '"2"'].map((state) => ({ 'if-match': state, 'idempotency-key': 'state-1' }))
    expect(await told('/states/keyed', [before ?? {}, since ?? {}])).toEqual(['executed', 'replayed'])
  })

  it('two spellings of one path are one path', async () => {
    const spelt = ['/spelt/a-b%20%c3%a9', '/spelt/a%2db%20%C3%A9', '/%73pelt/a-b%20%c3%A9']
    const outcomes = []
    for (const path of spelt) outcomes.push((await send(path, {})).headers['onefold-outcome'])
    expect(outcomes).toEqual(['executed', 'replayed', 'replayed'])
    // What may mean another thing where it is not escaped is not taken for it.
    expect((await send('/spelt/a+b', {})).headers['onefold-outcome']).toBe('executed')
    expect((await send('/spelt/a%2bb', {})).headers['onefold-outcome']).toBe('executed')
  })
})

it.each(['PROPFIND', 'QUERY', 'REPORT', 'SEARCH'])(
  '%s asks for no change and is never answered by an earlier answer',
  async (method) => {
    await send('/reads', {}, method)
    const again = await send('/reads', {}, method)
    expect([again.status, again.headers['onefold-outcome']]).toEqual([200, undefined])
    expect(service.requests.filter((got) => got.url === '/reads' && got.method === method)).toHaveLength(2)
  },
)

it('an app that serves several names takes them apart by tenantHeader: host', async () => {
  const guard = testGuard()
  let effects = 0
  const routes = [{ match: 'POST /orders', key: 'required', recovery: manual() }] as const
  const handle = protectHandler(guard, { routes, tenantHeader: 'host' }, () => new Response(String((effects += 1))))
  const order = async (host: string): Promise<string> => {
    const headers = { 'idempotency-key': 'same' }
    return await (await handle(new Request(`http://${host}/orders`, { method: 'POST', headers, body: '{}' }))).text()
  }
  expect([await order('a.example'), await order('b.example'), await order('a.example')]).toEqual(['1', '2', '1'])
  await guard.close()
})
