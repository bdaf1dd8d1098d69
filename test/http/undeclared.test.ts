import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, leaves, startFront, type Front, type Seen } from './fixtures/harness.ts'

/** No configuration at all: `onefold gateway --upstream URL`. */
let orders: Downstream
let front: Front

beforeAll(async () => {
  orders = await startDownstream()
  await orders.honoursKeys(false)
  front = await startFront({ upstream: orders.url })
})
afterAll(async () => {
  await front.close()
  await orders.close()
})

const post = (
  ref: string,
  options: { agent?: Agent; headers?: Record<string, string>; body?: object } = {},
): Promise<Seen> =>
  ask(`${front.url}/effects/${ref}`, {
    body: options.body ?? { ref },
    headers: options.headers ?? {},
    ...(options.agent === undefined ? {} : { agent: options.agent }),
  })
const oneConnection = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 })

describe('a write that no route declares', () => {
  it('with a key: the key is the identity', async () => {
    const headers = { 'idempotency-key': 'k-1' }
    const first = await post('u-key', { headers })
    expect((await post('u-key', { headers })).text).toBe(first.text)
    expect((await post('u-key', { headers, body: { ref: 'other' } })).status).toBe(422)
    expect(await orders.effects('u-key')).toBe(1)
  })

  it.each(['stripe-node-retry', 'stainless-node-retry'])(
    'with a key that an SDK made up: as without one (%s)',
    async (own) => {
      await orders.honoursKeys(true)
      const headers = (): Record<string, string> => ({ 'idempotency-key': `${own}-${crypto.randomUUID()}` })
      const ref = `u-${own}`
      for (const _call of [1, 2])
        await ask(`${orders.url}/effects/control-${ref}`, { body: { ref }, headers: headers() })
      expect(await orders.effects(`control-${ref}`)).toBe(2)
      const first = await post(ref, { headers: headers() })
      expect((await post(ref, { headers: headers() })).text).toBe(first.text)
      expect(await orders.effects(ref)).toBe(1)
      const [sent] = await orders.requests(ref)
      expect(sent?.['idempotency-key']).toMatch(/^[\da-f-]{36}$/)
      await orders.honoursKeys(false)
    },
  )

  it('without one: an equal request on another connection is a retry', async () => {
    const first = await post('u-retry')
    const again = await post('u-retry')
    expect([again.text, again.headers['idempotent-replayed']]).toEqual([first.text, 'true'])
    expect(again.headers['onefold-notice']).toContain('occurrence 2')
    expect(await orders.effects('u-retry')).toBe(1)
  })

  it.each([
    'via',
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-real-ip',
    'x-envoy-attempt-count',
    'cf-connecting-ip',
  ])('and so is one on a connection that a proxy shares among clients (%s)', async (name) => {
    const agent = oneConnection()
    const ref = `u-${name}`
    for (const outcome of ['executed', 'replayed'])
      expect((await post(ref, { agent, headers: { [name]: '1' } })).headers['onefold-outcome']).toBe(outcome)
    expect(await orders.effects(ref)).toBe(1)
    agent.destroy()
  })

  it('[SH-9] an equal request after the answer was read is new work, and flagged', async () => {
    const suspected: number[] = []
    const off = front.guard.on('suspected-repeat', ({ occurrence }) => suspected.push(occurrence))
    const agent = oneConnection()
    const first = await post('u-again', { agent })
    const second = await post('u-again', { agent })
    expect(second.headers['onefold-outcome']).toBe('executed')
    expect(second.headers['onefold-occurrence']).toBe('2')
    expect(second.text).not.toBe(first.text)
    expect([await orders.effects('u-again'), suspected]).toEqual([2, [2]])
    agent.destroy()
    off()
  })

  it('asks for a second one by its occurrence', async () => {
    await post('u-occurrence')
    const second = await post('u-occurrence', { headers: { 'onefold-occurrence': '2' } })
    const repeat = await post('u-occurrence', { headers: { 'onefold-occurrence': '2' } })
    expect([second.headers['onefold-outcome'], repeat.headers['onefold-outcome']]).toEqual(['executed', 'replayed'])
    expect(await orders.effects('u-occurrence')).toBe(2)
  })

  it('a connection that a proxy shares proves nothing about its clients', async () => {
    const agent = oneConnection()
    const headers = { via: '1.1 nginx' }
    await post('u-via', { agent, headers })
    expect((await post('u-via', { agent, headers })).headers['onefold-outcome']).toBe('replayed')
    expect(await orders.effects('u-via')).toBe(1)
    agent.destroy()
  })

  it('a client that timed out and comes back joins or replays, also on a kept connection', async () => {
    await orders.plan('u-late', 'hold')
    const agent = oneConnection()
    await leaves(orders, 'u-late', (signal) =>
      ask(`${front.url}/effects/u-late`, { body: { ref: 'u-late' }, agent, signal }),
    )
    const returned = post('u-late', { agent })
    await orders.release('u-late')
    expect((await returned).headers['idempotent-replayed']).toBe('true')
    expect(await orders.effects('u-late')).toBe(1)
    agent.destroy()
  })

  it('a 5xx after the effect is in doubt, whatever comes on the same connection', async () => {
    await orders.plan('u-doubt', 'fail-after')
    const agent = oneConnection()
    expect((await post('u-doubt', { agent })).status).toBe(503)
    expect((await post('u-doubt', { agent })).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(await orders.effects('u-doubt')).toBe(1)
    agent.destroy()
  })

  it('within a run, which is then the scope', async () => {
    await post('u-run', { headers: { 'onefold-run': 'r-1' } })
    expect((await post('u-run', { headers: { 'onefold-run': 'r-1' } })).headers['onefold-outcome']).toBe('replayed')
    expect((await post('u-run', { headers: { 'onefold-run': 'r-2' } })).headers['onefold-outcome']).toBe('executed')
    expect(await orders.effects('u-run')).toBe(2)
  })

  it('reads pass, as often as one likes', async () => {
    await post('u-read')
    for (let n = 0; n < 3; n += 1) {
      const seen = await ask(`${front.url}/effects/u-read`, { method: 'GET' })
      expect([seen.status, seen.headers['onefold-outcome']]).toEqual([200, undefined])
    }
  })

  it('mode: blocked refuses it', async () => {
    const blocked = await startFront({
      upstream: orders.url,
      rules: { unknownRoutes: { mode: 'blocked', afterDelivery: 'run', afterError: 'hold' } },
    })
    const seen = await ask(`${blocked.url}/effects/u-blocked`, { body: {} })
    expect([seen.status, seen.json()['code']]).toEqual([422, 'HELD'])
    expect(await orders.effects('u-blocked')).toBe(0)
    await blocked.close()
  })
})
