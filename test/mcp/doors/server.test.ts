import { afterEach, describe, expect, it } from 'vitest'
import { manual } from '../../../src/contract/index.ts'
import { contract, toolContext } from '../../../src/mcp/public.ts'
import { startDownstream } from '../../support/downstream.ts'
import { perTest } from './fixtures/per-test.ts'
import {
  errorIn,
  receiptIn,
  SDKS,
  textIn,
  type ServeOptions,
  type Served,
  type Session,
  type TestTool,
} from './fixtures/served.ts'
import { shopAt, text } from './fixtures/shop.ts'

const its = perTest()

const { act, TOOLS, CONTRACTS } = shopAt(() => its.downstream)

/** Calls, and gives up when the effect is there and its answer is still on the way. */
async function giveUp(
  session: Session,
  tool: string,
  given: { readonly ref: string; readonly note?: string },
): Promise<void> {
  await its.downstream.plan(given.ref, 'hold')
  const stop = new AbortController()
  const call = session.call(tool, { ...given }, { signal: stop.signal })
  await its.downstream.until(given.ref, 1)
  stop.abort(new Error('gave up'))
  await expect(call).rejects.toThrow('gave up')
}

describe.each(['v1', 'v2'] as const)('protectServer on SDK %s', (sdk) => {
  const open: Served[] = []
  afterEach(async () => {
    for (const served of open.splice(0)) await served.close()
  })
  const serve = async (options: Partial<ServeOptions> = {}): Promise<Served> => {
    const served = await SDKS[sdk]({ guard: its.guard, contracts: CONTRACTS, tools: TOOLS, ...options })
    open.push(served)
    return served
  }
  const bare = (): Promise<Served> => serve({ guard: undefined })
  const ref = (what: string): string => `${sdk}-${what}`

  it('control: unprotected, a client that gives up and calls again acts twice', async () => {
    const session = await (await bare()).connect()
    await giveUp(session, 'order', { ref: ref('control'), note: 'a' })
    await session.call('order', { ref: ref('control'), note: 'b' })
    expect(await its.downstream.effects(ref('control'))).toBe(2)
  })

  it('[OR-5] a client that gives up and calls again, in other words, acts once and gets the answer', async () => {
    const session = await (await serve()).connect()
    await giveUp(session, 'order', { ref: ref('timeout'), note: 'a' })
    const calling = session.call('order', { ref: ref('timeout'), note: 'in other words' })
    await its.downstream.release(ref('timeout'))
    const again = await calling
    expect(JSON.parse(textIn(again))).toMatchObject({ ref: ref('timeout') })
    expect(receiptIn(again)['status']).toMatch(/joined|replayed/)
    expect(await its.downstream.effects(ref('timeout'))).toBe(1)
  })

  it('a replay is the first answer, and says so beside it', async () => {
    const session = await (await serve()).connect()
    const first = await session.call('order', { ref: ref('replay'), note: '' })
    const again = await session.call('order', { ref: ref('replay'), note: '' })
    expect(again.content).toEqual(first.content)
    expect(receiptIn(first)).toMatchObject({ status: 'executed', attempts: 1 })
    expect(receiptIn(again)).toMatchObject({ status: 'replayed', key: receiptIn(first)['key'] })
    expect(String(receiptIn(again)['notice'])).toContain('occurrence 2')
    const wanted = await session.call(
      'order',
      { ref: ref('replay'), note: '' },
      { meta: { 'io.onefold/occurrence': 2 } },
    )
    expect(receiptIn(wanted)).toMatchObject({ status: 'executed', occurrence: 2 })
    expect(await its.downstream.effects(ref('replay'))).toBe(2)
  })

  it('a lost answer of a manual tool is told as it was, and a repeat is told that nobody knows', async () => {
    const session = await (await serve()).connect()
    await its.downstream.plan(ref('lost'), 'lose-answer')
    const first = await session.call('order', { ref: ref('lost'), note: '' })
    expect(first.isError).toBe(true)
    expect(receiptIn(first)).toMatchObject({ status: 'in-doubt' })
    const again = await session.call('order', { ref: ref('lost'), note: '' })
    expect(textIn(again)).toContain('Do not call it again')
    expect(errorIn(again)).toMatchObject({ type: 'IN_DOUBT', effect: 'unknown', retryable: false })
    expect(await its.downstream.effects(ref('lost'))).toBe(1)
  })

  it('[AG-2] a keyed tool settles a lost answer inside the call, under the key that it sent first', async () => {
    const session = await (await serve()).connect()
    await its.downstream.plan(ref('keyed'), 'lose-answer')
    const result = await session.call('charge', { ref: ref('keyed') })
    expect(result.isError).toBeFalsy()
    const keys = (await its.downstream.requests(ref('keyed'))).map((headers) => headers['idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(keys[0]).toMatch(/./)
    expect(keys[1]).toBe(keys[0])
    expect(await its.downstream.effects(ref('keyed'))).toBe(1)
  })

  it('a keyed tool that throws again is told at once, and not when the waiting is over', async () => {
    const session = await (await serve()).connect()
    await its.downstream.plan(ref('throws'), ...Array.from({ length: 50 }, () => 'fail-before' as const))
    const told = await session.call('charge', { ref: ref('throws') })
    expect(told).toMatchObject({ isError: true, content: [{ text: 'HTTP 503' }] })
    expect(receiptIn(told)).toMatchObject({ status: 'in-doubt' })
  })

  it('a probed tool finds what a lost answer had done', async () => {
    const session = await (await serve()).connect()
    await its.downstream.plan(ref('probe'), 'lose-answer')
    const result = await session.call('book', { ref: ref('probe') })
    expect(JSON.parse(textIn(result))).toMatchObject({ ref: ref('probe') })
    expect(await its.downstream.effects(ref('probe'))).toBe(1)
  })

  it('[IN-6] a write that demands a key of its caller is refused without one, before anything is sent', async () => {
    const session = await (await serve()).connect()
    await expect(session.call('pay', { ref: ref('key') })).rejects.toMatchObject({ code: -31001 })
    expect(await its.downstream.requests(ref('key'))).toHaveLength(0)
    const meta = { 'io.onefold/idempotency-key': `k-${sdk}` }
    await session.call('pay', { ref: ref('key') }, { meta })
    expect(receiptIn(await session.call('pay', { ref: ref('key') }, { meta }))).toMatchObject({ status: 'replayed' })
    const other = await session.call('pay', { ref: ref('key-other') }, { meta })
    expect(errorIn(other)).toMatchObject({ type: 'KEY_REUSED', fields: ['ref'] })
    expect(await its.downstream.effects(ref('key'))).toBe(1)
    expect(await its.downstream.effects(ref('key-other'))).toBe(0)
  })

  it('[OR-5] reads the key wherever a client can put it', async () => {
    const served = await serve()
    const plain = await served.connect()
    const one = { name: 'pay', arguments: { ref: ref('places') } }
    const key = `places-${sdk}`
    const withHeader = await served.connect({ headers: { 'Idempotency-Key': `"${key}"` } })
    const statuses = [
      receiptIn(await plain.call('pay', one.arguments, { meta: { 'io.onefold/idempotency-key': key } })),
      receiptIn(await withHeader.call('pay', one.arguments)),
      receiptIn((await plain.client.callTool({ ...one, idempotencyKey: key } as never)) as never),
    ].map(({ status }) => status)
    expect(statuses).toEqual(['executed', 'replayed', 'replayed'])
    await expect(
      plain.client.callTool({ ...one, idempotencyKey: 'a', _meta: { 'io.onefold/idempotency-key': 'b' } } as never),
    ).rejects.toMatchObject({ code: -31002 })
    expect(await its.downstream.effects(ref('places'))).toBe(1)
  })

  it('reads UCP’s key out of the arguments', async () => {
    const tools: TestTool[] = [
      {
        name: 'checkout',
        fields: ['ref'],
        run: ({ ref = '' }) => act(ref),
      },
    ]
    const served = await serve({ tools, contracts: { checkout: { callerKey: 'required', recovery: manual() } } })
    const session = await served.connect()
    const given = { ref: ref('ucp'), meta: { 'idempotency-key': `ucp-${sdk}` } }
    await session.call('checkout', given)
    expect(receiptIn(await session.call('checkout', given))).toMatchObject({ status: 'replayed' })
    expect(await its.downstream.effects(ref('ucp'))).toBe(1)
  })

  it('[BF-11] tools/list shows every contract in _meta, and nothing of it to a model', async () => {
    const session = await (await serve()).connect()
    const listed = new Map((await session.list()).map((tool) => [tool.name, tool]))
    expect(listed.get('order')?._meta?.['io.onefold/contract']).toMatchObject({
      effect: 'write',
      identity: ['ref'],
      ignore: ['note'],
      scope: 'tenant',
      recovery: { class: 'manual' },
      retentionMs: 604_800_000,
    })
    expect(listed.get('pay')?._meta?.['io.onefold/contract']).toMatchObject({
      identity: 'caller-key',
      callerKey: 'required',
    })
    expect(listed.get('look')?._meta?.['io.onefold/contract']).toMatchObject({ effect: 'read' })
    expect(listed.get('note')?._meta?.['io.onefold/contract']).toMatchObject({ effect: 'write', identity: 'all' })
    const unprotected = await (await (await bare()).connect()).list()
    const seen = (tools: readonly object[]): unknown => tools.map((tool) => ({ ...tool, _meta: undefined }))
    expect(seen(await session.list())).toEqual(seen(unprotected))
  })

  it('a contract stands beside the schema', async () => {
    const tools: TestTool[] = [
      {
        name: 'beside',
        fields: ['ref', 'note'],
        meta: {
          'com.example/own': 1,
          ...contract<{ ref: string }>({ identity: ['ref'], ignore: ['note' as never], recovery: manual() }),
        },
        run: ({ ref = '' }) => act(ref),
      },
    ]
    const session = await (await serve({ tools, contracts: {} })).connect()
    const [listed] = await session.list()
    expect(listed?._meta).toMatchObject({ 'com.example/own': 1, 'io.onefold/contract': { identity: ['ref'] } })
    await session.call('beside', { ref: ref('beside'), note: 'a' })
    await session.call('beside', { ref: ref('beside'), note: 'b' })
    expect(await its.downstream.effects(ref('beside'))).toBe(1)
  })

  it('an answered error is no stored success: told unchanged, held in doubt', async () => {
    const session = await (await serve()).connect()
    const first = await session.call('answer', { ref: ref('is-error'), what: 'x' })
    expect(first).toMatchObject({ isError: true, content: [{ text: '"no such customer"' }] })
    expect(receiptIn(first)).toMatchObject({ status: 'in-doubt' })
    const page = await its.guard.ledger.list({ states: ['committed'] })
    expect(page.records).toHaveLength(0)
  })

  it('what an error means can be declared: then a corrected call runs', async () => {
    const session = await (
      await serve({
        contracts: {
          ...CONTRACTS,
          order: { identity: ['ref'], recovery: manual(), errors: [{ match: 422, effect: 'none' }] },
        },
      })
    ).connect()
    await its.downstream.plan(ref('declared'), 'refuse')
    const first = await session.call('order', { ref: ref('declared'), note: '' })
    expect(first.isError).toBe(true)
    expect(receiptIn(first)).toMatchObject({ status: 'rejected' })
    const corrected = await session.call('order', { ref: ref('declared'), note: 'corrected' })
    expect(receiptIn(corrected)).toMatchObject({ status: 'executed' })
    expect(await its.downstream.effects(ref('declared'))).toBe(1)
  })

  it('refused arguments leave nothing behind', async () => {
    const session = await (await serve()).connect()
    const refused = await session.call('order', { ref: 7, note: '' })
    expect(refused.isError).toBe(true)
    expect(receiptIn(refused)).toMatchObject({ status: 'rejected' })
    expect((await its.guard.ledger.list({ states: ['in-doubt'] })).records).toHaveLength(0)
  })

  it('a result that the SDK refuses was done all the same: it is never run again', async () => {
    const session = await (await serve()).connect()
    const first = await session.call('typed', { ref: ref('typed') })
    const again = await session.call('typed', { ref: ref('typed') })
    expect(first.isError).toBe(true)
    expect(again).toMatchObject({ isError: true, content: first.content })
    expect(receiptIn(again)).toMatchObject({ status: 'replayed' })
    expect(await its.downstream.effects(ref('typed'))).toBe(1)
  })

  it('an unreachable downstream is proof that nothing happened', async () => {
    const closed = await startDownstream()
    const nowhere = `${closed.url}/effects/nowhere`
    await closed.close()
    const tools: TestTool[] = [
      {
        name: 'charge',
        fields: ['ref'],
        run: async (_given, extra) => {
          await toolContext(extra).fetch(nowhere, { method: 'POST' })
          return text('done')
        },
      },
    ]
    const session = await (await serve({ tools })).connect()
    const told = await session.call('charge', { ref: ref('refused') })
    expect(receiptIn(told)).toMatchObject({ status: 'rejected' })
    expect((await its.guard.ledger.list({ states: ['in-doubt'] })).records).toHaveLength(0)
  })

  it('callers with other credentials never meet', async () => {
    const session = await (
      await serve({ protect: { principal: ({ header }) => header('x-user') } })
    ).connect({ headers: { 'X-User': 'ann' } })
    const other = await open[0]?.connect({ headers: { 'X-User': 'bob' } })
    await session.call('order', { ref: ref('principal'), note: '' })
    const theirs = await other?.call('order', { ref: ref('principal'), note: '' })
    expect(receiptIn(theirs as never)).toMatchObject({ status: 'executed' })
    expect(await its.downstream.effects(ref('principal'))).toBe(2)
  })

  it('a name that ends like the run of another principal is nobody’s run', async () => {
    const CONTRACT = { identity: ['ref'], ignore: ['note'], scope: 'run', recovery: manual() } as const
    const served = await serve({
      contracts: { ...CONTRACTS, order: CONTRACT },
      protect: { principal: ({ header }) => header('x-user') },
    })
    const order = async (user: string, run: string) => {
      const session = await served.connect({ headers: { 'X-User': user } })
      const meta = { 'io.onefold/run-id': run }
      return receiptIn(await session.call('order', { ref: ref('named'), note: '' }, { meta }))['status']
    }
    expect([await order('bob', 'a/run:b'), await order('bob/run:a', 'b')]).toEqual(['executed', 'executed'])
    expect(await its.downstream.effects(ref('named'))).toBe(2)
  })

  it.each([
    ['Authorization', (name: string) => ({ headers: { Authorization: `Bearer ${name}` } })],
    ['an API key', (name: string) => ({ headers: { 'X-Api-Key': name } })],
    ['a cookie', (name: string) => ({ headers: { Cookie: `session=${name}` } })],
    ['the query', (name: string) => ({ search: `?apiKey=${name}` })],
  ])('callers whom %s tells apart never meet, also without authInfo', async (where, as) => {
    const served = await serve()
    const given = { ref: ref(`apart ${where}`), note: '' }
    const order = async (name: string) =>
      receiptIn(await (await served.connect(as(name))).call('order', given))['status']
    expect([await order('ann'), await order('bob'), await order('ann')]).toEqual(['executed', 'executed', 'replayed'])
    expect(await its.downstream.effects(given.ref)).toBe(2)
  })

  it('concurrent equal calls of many clients act once', async () => {
    const served = await serve()
    const sessions = await Promise.all([served.connect(), served.connect()])
    const results = await Promise.all(
      sessions.flatMap((session) =>
        Array.from({ length: 8 }, (_, at) => session.call('order', { ref: ref('storm'), note: `${at}` })),
      ),
    )
    expect(new Set(results.map(textIn)).size).toBe(1)
    expect(await its.downstream.effects(ref('storm'))).toBe(1)
  })

  it('a tool without a contract: a repeat after a lost answer replays', async () => {
    const session = await (await serve()).connect()
    await giveUp(session, 'note', { ref: ref('undeclared') })
    const calling = session.call('note', { ref: ref('undeclared') })
    await its.downstream.release(ref('undeclared'))
    const again = await calling
    expect(receiptIn(again)['status']).toMatch(/joined|replayed/)
    expect(await its.downstream.effects(ref('undeclared'))).toBe(1)
  })

  it('a read passes, and is repeated freely', async () => {
    const session = await (await serve()).connect()
    await session.call('look', { ref: ref('read') })
    const again = await session.call('look', { ref: ref('read') })
    expect(receiptIn(again)).toEqual({})
    expect(await its.downstream.effects(ref('read'))).toBe(2)
  })

  it('the run of the caller reaches the handler and its requests', async () => {
    const session = await (await serve()).connect()
    await session.call('charge', { ref: ref('run') }, { meta: { 'io.onefold/run-id': `run-${sdk}` } })
    const [headers] = await its.downstream.requests(ref('run'))
    expect(headers?.['onefold-run']).toBe(`run-${sdk}`)
    expect((await its.guard.ledger.list({ run: `run-${sdk}` })).records).toHaveLength(1)
  })

  it('a caller that stops listening does not cut the effect off', async () => {
    const tools: TestTool[] = [
      {
        name: 'order',
        fields: ['ref', 'note'],
        // As many servers do: the signal of the request goes to the request its.downstream.
        run: ({ ref = '' }, extra) => {
          const given = extra as { signal?: AbortSignal; mcpReq?: { signal: AbortSignal } }
          const signal = given.mcpReq?.signal ?? given.signal
          return act(ref, (url, init) => fetch(url, { ...init, ...(signal === undefined ? {} : { signal }) }))
        },
      },
    ]
    const session = await (await serve({ tools })).connect()
    await giveUp(session, 'order', { ref: ref('abort'), note: '' })
    const calling = session.call('order', { ref: ref('abort'), note: '' })
    await its.downstream.release(ref('abort'))
    const again = await calling
    expect(again.isError).toBeFalsy()
    expect(await its.downstream.effects(ref('abort'))).toBe(1)
  })
})
