import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { orderInput, orderTool, place } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const DAY = 86_400_000

describe.each(STORES)('on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let guard: Guard
  let count = 0
  let offset = 0
  beforeEach(() => {
    count += 1
    offset = 0
    guard = testGuard({ store: makeStore(`${folder.path}/${count}`) })
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  const ref = (what: string): string => `${name}-runs-${what}`
  /** Places an order at every wanted repeat. */
  const toggleTool = (tool: string) =>
    guard.tool({
      name: tool,
      input: z.object({ ref: z.string() }),
      effect: 'write',
      identity: 'sequence',
      recovery: keyed('24h'),
      execute: (input, context) => place(downstream, input, context.fetch),
    })

  it('the run id is the same through retries, sub-agents and outbound requests [BF-1]', async () => {
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await downstream.plan(ref('run-a'), 'lose-request')
    const agent = () =>
      guard.run({ id: 'request-7', session: 's' }, async (run) => {
        await order({ ref: ref('run-a') })
        await guard.run({}, async (inner) => {
          expect(inner.id).toBe(run.id)
          await order({ ref: ref('run-b') })
        })
        return await run.receipt()
      })
    const first = await agent()
    await agent()
    expect(first.committed.map((entry) => entry.tool)).toEqual(['place_order', 'place_order'])
    for (const suffix of ['run-a', 'run-b']) {
      expect(await downstream.effects(ref(suffix))).toBe(1)
      for (const headers of await downstream.requests(ref(suffix))) {
        expect(headers['onefold-run']).toBe('request-7')
      }
    }
  })

  it('a run without an id is minted, and says so', async () => {
    const receipt = await guard.run({}, (run) => run.receipt())
    expect(receipt.run).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    expect(receipt.unanchored).toBe(true)
  })

  it('run, tool and index identify a wanted repeat and travel as a header [BF-2]', async () => {
    const toggle = toggleTool('toggle')
    const agent = () =>
      guard.run({ id: `${name}-run` }, async () => {
        await toggle({ ref: ref('toggle') })
        await toggle({ ref: ref('toggle') })
      })
    await agent()
    await agent()
    expect(await downstream.effects(ref('toggle'))).toBe(2)
    const headers = await downstream.requests(ref('toggle'))
    expect(headers.map((header) => header['onefold-sequence'])).toEqual([
      `${name}-run::toggle::1`,
      `${name}-run::toggle::2`,
    ])
    expect(new Set(headers.map((header) => header['idempotency-key'])).size).toBe(2)
    await expect(
      guard.run({ id: `${name}-run` }, () => toggle({ ref: `${ref('toggle')}-other` })),
    ).rejects.toMatchObject({ code: 'DIVERGED' })
    expect(await downstream.effects(`${ref('toggle')}-other`)).toBe(0)
  })

  it('a part of a run that is a run without a name of its own counts on, also when the run is retried', async () => {
    const toggle = toggleTool('toggle_part')
    for (let n = 0; n < 2; n += 1) {
      await guard.run({ id: `${name}-parts` }, async () => {
        await toggle({ ref: ref('parts') })
        await guard.run({}, () => toggle({ ref: ref('parts') }))
        await toggle({ ref: ref('parts') })
        await guard.run({ tenant: 'other' }, () => toggle({ ref: ref('parts') }))
      })
    }
    const headers = await downstream.requests(ref('parts'))
    expect(headers.map((header) => header['onefold-sequence']?.toString().split('::')[2])).toEqual(['1', '2', '3', '1'])
    expect(await downstream.effects(ref('parts'))).toBe(4)
  })

  it('the result is replayed, not only the call: same value, byte for byte [SH-6][OR-3]', async () => {
    const value = {
      at: new Date(0),
      big: 12345678901234567890n,
      bytes: new Uint8Array([1, 2]),
      map: new Map([['a', undefined]]),
      n: NaN,
    }
    let runs = 0
    const odd = guard.tool({
      name: 'odd',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: manual(),
      execute: async (input, context) => {
        runs += 1
        await place(downstream, input, context.fetch)
        return value
      },
    })
    const first = await odd({ ref: ref('odd') })
    const again = await odd({ ref: ref('odd') })
    expect(again).toEqual(first)
    expect(again).not.toBe(first)
    expect([runs, await downstream.effects(ref('odd'))]).toEqual([1, 1])
  })

  it('a large result is replayed from its blob', async () => {
    const large = guard.tool({
      name: 'large',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: manual(),
      execute: async (input, context) => {
        await place(downstream, input, context.fetch)
        return 'x'.repeat(200_000)
      },
    })
    const first = await large({ ref: ref('large') })
    expect(await large({ ref: ref('large') })).toBe(first)
    expect(await downstream.effects(ref('large'))).toBe(1)
  })

  it('a result that cannot be stored is still a committed effect, and never a second one', async () => {
    const strange = guard.tool({
      name: 'strange',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: manual(),
      execute: async (input, context) => {
        await place(downstream, input, context.fetch)
        return { secret: () => 1 }
      },
    })
    expect((await strange({ ref: ref('strange') })).secret()).toBe(1)
    await expect(strange({ ref: ref('strange') })).rejects.toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect(await downstream.effects(ref('strange'))).toBe(1)
  })

  it('retention is per tool; after it a late retry is RESULT_EXPIRED, never a second effect [OR-2][IN-8]', async () => {
    if (name === 'sqlite') return
    await guard.close()
    guard = testGuard({
      store: (await import('../../src/store/memory/index.ts')).memoryStore({ clock: () => Date.now() + offset }),
    })
    const short = orderTool(guard, downstream, { recovery: manual() })
    const long = orderTool(guard, downstream, { name: 'bill', recovery: manual(), retention: '7d' })
    await short({ ref: ref('short') })
    await long({ ref: ref('long') })
    offset = DAY + 1000
    for (let round = 0; round < 40; round += 1) await guard.internals.tick()
    await expect(short({ ref: ref('short') })).rejects.toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect((await long.perform({ ref: ref('long') })).replayed).toBe(true)
    offset = 7 * DAY + 1000
    for (let round = 0; round < 40; round += 1) await guard.internals.tick()
    await expect(long({ ref: ref('long') })).rejects.toMatchObject({ code: 'RESULT_EXPIRED' })
    expect([await downstream.effects(ref('short')), await downstream.effects(ref('long'))]).toEqual([1, 1])
  })

  it('a retention shorter than the retry horizon is refused at registration [OR-14]', () => {
    expect(() => orderTool(guard, downstream, { recovery: manual(), retention: '1h', retryHorizon: '24h' })).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID' }),
    )
  })

  it('one declaration gives the tool and its contract; a write without identity or recovery cannot be declared [IN-12]', () => {
    const declare = (options: object): unknown => guard.tool(options as never)
    const base = { name: 'bare', input: orderInput, effect: 'write', execute: () => 1 }
    expect(() => declare({ ...base, recovery: manual() })).toThrow(/identity/)
    expect(() => declare({ ...base, identity: ['ref'] })).toThrow(/recovery/)
    expect(orderTool(guard, downstream, { recovery: manual() }).description.name).toBe('place_order')
  })

  it('reads pass through and may be repeated freely; writes are not [AG-8]', async () => {
    let reads = 0
    const look = guard.tool({
      name: 'look',
      input: orderInput,
      effect: 'read',
      execute: async () => {
        reads += 1
        if (reads === 1) throw new OnefoldError('IN_PROGRESS', 'flaky')
        return await downstream.effects(ref('read'))
      },
    })
    await expect(look({ ref: 'x' })).rejects.toThrow('flaky')
    expect(await look({ ref: 'x' })).toBe(0)
    expect(await look({ ref: 'x' })).toBe(0)
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: ref('read') })
    await order({ ref: ref('read') })
    expect(await look({ ref: 'x' })).toBe(1)
    expect((await guard.ledger.list({})).records.map((record) => record.tool)).toEqual(['place_order'])
  })

  it('guard.once: a key and a function [IN-12]', async () => {
    const send = () => guard.once(`invoice:42:${name}`, () => place(downstream, { ref: ref('once') }))
    expect(await send()).toEqual(await send())
    expect(await downstream.effects(ref('once'))).toBe(1)
  })

  it('a stop before the marker starts nothing; after it the work goes on into the ledger', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    await expect(order({ ref: ref('abort') }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
      effect: 'none',
    })
    expect(await downstream.effects(ref('abort'))).toBe(0)
    await downstream.plan(ref('abort'), 'hold')
    const controller = new AbortController()
    const told = new Promise((resolve) => guard.on('aborted-after-commit', resolve))
    await guard.run({ id: 'r' }, async (run) => {
      const call = order({ ref: ref('abort') }, { signal: controller.signal })
      await downstream.until(ref('abort'), 1)
      controller.abort()
      await expect(call).rejects.toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
      expect((await run.receipt()).running).toHaveLength(1)
      await downstream.release(ref('abort'))
      await told
      expect((await run.receipt()).committed).toHaveLength(1)
    })
    expect((await order.perform({ ref: ref('abort') })).replayed).toBe(true)
    expect(await downstream.effects(ref('abort'))).toBe(1)
  })

  it('accepted is not told as done until it is verified [AG-5]', async () => {
    let there: boolean | undefined
    const ship = orderTool(guard, downstream, { recovery: manual(), verify: () => there })
    const accepted = await ship.perform({ ref: ref('verify') })
    expect(accepted.status).toBe('accepted')
    expect((await ship.perform({ ref: ref('verify') })).status).toBe('accepted')
    there = true
    const committed = new Promise<void>((resolve) => {
      guard.on('transition', ({ event }) => {
        if (event.to === 'committed') resolve()
      })
    })
    await committed
    expect((await ship.perform({ ref: ref('verify') })).status).toBe('committed')
    expect(await downstream.effects(ref('verify'))).toBe(1)
  })

  it('an undo happens once, and what was undone is neither a success nor run again', async () => {
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      compensate: (placed, context) => place(downstream, { ref: `${placed.ref}-undo` }, context.fetch),
    })
    await order({ ref: ref('undo') })
    await order.compensate({ ref: ref('undo') })
    await order.compensate({ ref: ref('undo') })
    await expect(order({ ref: ref('undo') })).rejects.toMatchObject({ code: 'COMPENSATED' })
    expect([await downstream.effects(ref('undo')), await downstream.effects(`${ref('undo')}-undo`)]).toEqual([1, 1])
  })

  it('a person settles a doubt, with a reason and not before the quarantine', async () => {
    await guard.close()
    guard = testGuard({
      store: makeStore(`${folder.path}/quarantine`),
      settings: { quarantineMs: 1_000, windowMarginMs: 1_000 },
    })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await downstream.plan(ref('person'), 'lose-request')
    const doubt = await order({ ref: ref('person') }).catch((error: unknown) => error as OnefoldError)
    const { ticket } = doubt as OnefoldError
    expect(ticket).toBeTypeOf('string')
    const verdict = { verdict: 'released', who: 'ann', note: 'not in the order list' } as const
    await expect(guard.ledger.resolve(ticket ?? '', { ...verdict, note: ' ' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
    await expect(guard.ledger.resolve(ticket ?? '', verdict)).rejects.toMatchObject({ code: 'HELD', effect: 'unknown' })
    const resolve = (): Promise<unknown> => guard.ledger.resolve(ticket ?? '', verdict).catch(() => undefined)
    await expect.poll(resolve, { timeout: 20_000 }).toMatchObject({ state: 'released' })
    await order({ ref: ref('person') })
    expect(await downstream.effects(ref('person'))).toBe(1)
    const { history } = await guard.ledger.show(ticket ?? '')
    expect(history.find((event) => event.transition === 'T16')).toMatchObject({
      who: 'ann',
      why: 'not in the order list',
    })
  })
})
