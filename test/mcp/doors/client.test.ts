import { afterEach, describe, expect, it } from 'vitest'
import { keyed, manual } from '../../../src/contract/index.ts'
import { isOnefoldError } from '../../../src/error/index.ts'
import { protectClient, receiptOf, type ProtectClientOptions } from '../../../src/mcp/public.ts'
import { orderTool } from '../../support/order-tool.ts'
import { perTest } from './fixtures/per-test.ts'
import { lossyNetwork, type Lossy } from './fixtures/lossy.ts'
import { connectTo, SDKS, textIn, type ServeOptions, type Session, type TestTool } from './fixtures/served.ts'

const its = perTest()

/** Forwards the key that it is given, as an honest tool does. */
async function act(ref: string, extra: object): Promise<object> {
  const { _meta, mcpReq } = extra as { _meta?: Record<string, unknown>; mcpReq?: { _meta?: Record<string, unknown> } }
  const key = (mcpReq?._meta ?? _meta)?.['io.onefold/idempotency-key']
  const response = await fetch(`${its.downstream.url}/effects/${encodeURIComponent(ref)}`, {
    method: 'POST',
    body: '{}',
    headers: typeof key === 'string' ? { 'x-seen-key': key } : {},
  })
  return { content: [{ type: 'text', text: await response.text() }] }
}

const TOOLS: readonly TestTool[] = ['order', 'pay', 'angry', 'loose'].map((name) => ({
  name,
  fields: ['ref'],
  run: async ({ ref = '' }, extra) => {
    const done = await act(ref, extra)
    return name === 'angry' ? { content: [{ type: 'text', text: 'upstream said 502' }], isError: true } : done
  },
}))

const CONTRACTS: NonNullable<ServeOptions['contracts']> = {
  order: { identity: ['ref'], recovery: manual() },
  pay: { callerKey: 'required', recovery: manual() },
  angry: { identity: ['ref'], recovery: manual() },
}

describe.each(['v1', 'v2'] as const)('protectClient on SDK %s', (sdk) => {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })
  const ref = (what: string): string => `client-${sdk}-${what}`

  async function shop(protect: boolean): Promise<Lossy> {
    const served = await SDKS[sdk]({ tools: TOOLS, contracts: CONTRACTS, ...(protect ? { guard: its.guard } : {}) })
    const network = await lossyNetwork(served.url)
    closing.push(
      () => served.close(),
      () => network.close(),
    )
    return network
  }
  async function connect(network: Lossy, options?: ProtectClientOptions<never>): Promise<Session> {
    const session = await connectTo[sdk](network.url, {})
    closing.push(() => session.close())
    if (options !== undefined) protectClient(session.client as never, { backoffMs: 5, ...options })
    return session
  }

  it('control: an agent that calls again after a lost answer acts twice', async () => {
    const network = await shop(false)
    const session = await connect(network)
    network.lose(1)
    const one = { ref: ref('control') }
    await session.call('order', one).catch(() => session.call('order', one))
    expect(await its.downstream.effects(one.ref)).toBe(2)
  })

  it('[OR-5] sends again under the same key after a lost answer, and gives the answer', async () => {
    const network = await shop(true)
    const session = await connect(network, {})
    network.lose(1)
    const result = await session.call('pay', { ref: ref('lost') })
    expect(JSON.parse(textIn(result))).toMatchObject({ ref: ref('lost') })
    expect(receiptOf(result)).toMatchObject({ status: 'replayed' })
    const keys = network.calls.map(({ _meta }) => (_meta as Record<string, unknown>)['io.onefold/idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
    const seen = (await its.downstream.requests(ref('lost'))).map((headers) => headers['x-seen-key'])
    expect(seen, 'the key reached the handler, and what it sends').toEqual([keys[0]])
    expect(await its.downstream.effects(ref('lost'))).toBe(1)
  })

  it('a 503 on the way proves nothing: the same', async () => {
    const network = await shop(true)
    const session = await connect(network, {})
    network.refuse(2)
    expect(receiptOf(await session.call('order', { ref: ref('503') }))).toMatchObject({ status: 'replayed' })
    expect(await its.downstream.effects(ref('503'))).toBe(1)
  })

  it('never sends again to a server that shows no contract: a typed doubt, one effect', async () => {
    const network = await shop(false)
    const session = await connect(network, {})
    network.lose(1)
    const told = await session.call('order', { ref: ref('unknown') }).catch((error: unknown) => error)
    expect(isOnefoldError(told) && [told.code, told.effect, told.retryable]).toEqual(['IN_DOUBT', 'unknown', false])
    expect(network.calls).toHaveLength(1)
    expect(await its.downstream.effects(ref('unknown'))).toBe(1)
  })

  it('nor a tool that is guarded without a contract', async () => {
    const network = await shop(true)
    const session = await connect(network, {})
    network.lose(1)
    await expect(session.call('loose', { ref: ref('loose') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(network.calls).toHaveLength(1)
  })

  it('a caller that gives up between two sends is told at once, and nothing more is sent', async () => {
    const network = await shop(true)
    const session = await connect(network, { backoffMs: 60_000, honoursKeys: ['order'] })
    network.lose(1)
    const stop = new AbortController()
    setTimeout(() => stop.abort(new Error('enough')), 200)
    const begun = performance.now()
    await expect(session.call('order', { ref: ref('stop') }, { signal: stop.signal })).rejects.toThrow('enough')
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect(network.calls).toHaveLength(1)
  })

  it('gives up after its retries, in doubt', async () => {
    const network = await shop(true)
    const session = await connect(network, { retries: 1 })
    network.lose(9)
    await expect(session.call('order', { ref: ref('gone') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(network.calls).toHaveLength(2)
    expect(await its.downstream.effects(ref('gone'))).toBe(1)
  })

  it('an error after which nobody knows is thrown as a doubt with its ticket', async () => {
    const session = await connect(await shop(true), {})
    const first = await session.call('angry', { ref: ref('angry') }).catch((error: unknown) => error)
    const again = await session.call('angry', { ref: ref('angry') }).catch((error: unknown) => error)
    for (const told of [first, again]) {
      expect(told).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
      expect(isOnefoldError(told) && told.ticket).toMatch(/^.{12}$/)
    }
    const [doubt] = (await its.guard.ledger.list({ states: ['in-doubt'] })).records
    expect(isOnefoldError(first) && first.key).toBe(doubt?.key)
    expect(await its.downstream.effects(ref('angry'))).toBe(1)
  })

  it('other refusals of the ledger are typed as well; everything else is as it was', async () => {
    const network = await shop(true)
    const session = await connect(network, {})
    const meta = { 'io.onefold/idempotency-key': ref('reused') }
    await session.call('pay', { ref: ref('a') }, { meta })
    await expect(session.call('pay', { ref: ref('b') }, { meta })).rejects.toMatchObject({ code: 'KEY_REUSED' })
    await expect(
      session.call('pay', { ref: ref('c') }, { meta: { 'io.onefold/idempotency-key': 7 } }),
    ).rejects.toMatchObject({ code: 'INPUT_INVALID', effect: 'none' })
    expect(await session.call('order', { ref: 7 })).toMatchObject({ isError: true })
  })

  it('[AG-2] a retried run sends the same keys, and a further equal call of it another one, also in a part', async () => {
    const network = await shop(true)
    for (let life = 0; life < 2; life += 1) {
      const session = await connect(network, {})
      await its.guard.run({ id: ref('run') }, async () => {
        await session.call('pay', { ref: ref('same') })
        await its.guard.run({}, () => session.call('pay', { ref: ref('same') }))
      })
    }
    const metas = network.calls.map(({ _meta }) => _meta as Record<string, string>)
    const keys = metas.map((meta) => meta['io.onefold/idempotency-key'])
    expect(keys.slice(2)).toEqual(keys.slice(0, 2))
    expect(new Set(keys).size).toBe(2)
    expect(new Set(metas.map((meta) => meta['io.onefold/run-id']))).toEqual(new Set([ref('run')]))
    expect(await its.downstream.effects(ref('same'))).toBe(2)
  })

  it('[OR-5] inside a protected operation the key is that operation’s, also when it is recovered', async () => {
    const network = await shop(true)
    const session = await connect(network, { retries: 0 })
    const outer = orderTool(its.guard, its.downstream, {
      recovery: keyed('24h'),
      execute: async ({ ref: of }) => {
        const result = await session.call('pay', { ref: of })
        return JSON.parse(textIn(result)) as never
      },
    })
    network.lose(1)
    await outer({ ref: ref('hop') })
    const keys = network.calls.map(({ _meta }) => (_meta as Record<string, string>)['io.onefold/idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
    expect(await its.downstream.effects(ref('hop'))).toBe(1)
  })

  it('reconnects where it is told how', async () => {
    const network = await shop(true)
    const replacement = await connect(network)
    let made = 0
    const session = await connect(network, {
      reconnect: () => {
        made += 1
        return Promise.resolve(replacement.client as never)
      },
    })
    await session.client.close()
    expect(receiptOf(await session.call('order', { ref: ref('reconnect') }))).toMatchObject({ status: 'executed' })
    expect(made).toBe(1)
    const closed = await connect(network, {})
    await closed.client.close()
    await expect(closed.call('order', { ref: ref('closed') })).rejects.toThrow(/[Nn]ot connected/)
  })

  const told = async (session: Session, tool: string, of: string): Promise<unknown> =>
    await session.call(tool, { ref: of }).catch((error: unknown) => error)

  it.each([true, false])(
    'a server that cannot be reached again after a lost answer leaves a doubt, not a refused connection (known to honour keys: %s)',
    async (isKnown) => {
      const network = await shop(true)
      const session = await connect(network, {
        ...(isKnown ? { honoursKeys: ['order'] } : {}),
        reconnect: () => fetch(network.url) as never,
      })
      const of = ref(`gone-${isKnown}`)
      network.loseAnd(() => network.shut())
      expect(await told(session, 'order', of)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
      expect(await its.downstream.effects(of)).toBe(1)
    },
  )

  it('a server without its ledger tells nothing of an earlier send whose answer was lost', async () => {
    const network = await shop(true)
    const session = await connect(network, { honoursKeys: ['order'] })
    network.loseAnd(() => its.guard.close())
    expect(await told(session, 'order', ref('store'))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(await its.downstream.effects(ref('store'))).toBe(1)
  })

  it.each([401, 404, 429])('nor does a %i from something on the way', async (status) => {
    const network = await shop(true)
    const session = await connect(network, { honoursKeys: ['order'] })
    network.lose(1)
    network.deny(9, status)
    expect(await told(session, 'order', ref(`${status}`))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(await its.downstream.effects(ref(`${status}`))).toBe(1)
  })
})
