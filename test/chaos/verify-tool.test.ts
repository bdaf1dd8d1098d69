import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { composite, keyed, manual, probe, type ToolContext } from '../../src/contract/index.ts'
import { verifyTool } from '../../src/testing/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { findOrder, orderInput, orderTool, place, type OrderInput } from '../support/order-tool.ts'

let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => await downstream.close())

const input = (unique: string): OrderInput => ({ ref: unique, note: 'as a present' })
const state = async ({ ref }: OrderInput): Promise<unknown> => ({ ref, orders: await downstream.effects(ref) })

let all = 0

const RECOVERIES = [
  ['keyed', keyed('24h')],
  ['probe', probe((order: OrderInput) => findOrder(downstream, order), { settle: '1ms' })],
  ['manual', manual()],
] as const

describe('verifyTool', () => {
  it.each(RECOVERIES)('one line shows that a %s tool is safe to retry [IN-10]', async (_name, recovery) => {
    const tool = orderTool(testGuard(), downstream, { recovery, sends: 'checked' })
    const checks = await verifyTool(tool, { input, state })
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['called twice', true],
      ['16 times at once', true],
      ['answer lost, called again', true],
      // What is left to a person has no end state to judge.
      ...(_name === 'manual' ? [] : [['crash before the effect, called again', true]]),
      ['crash between effect and record, called again', true],
      ['called again with another note', true],
    ])
    expect(checks[0]?.expected).toEqual({ ref: '*', orders: 1 })
  })

  it('takes a plain input, and then counts what each check added', async () => {
    const tool = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    const checks = await verifyTool(tool, { input: { ref: 'plain' }, state: () => downstream.effects('plain') })
    expect(checks.every(({ expected, actual }) => expected === 1 && actual === 1)).toBe(true)
    expect(await downstream.effects('plain')).toBe(1 + checks.length)
  })

  it('refuses a plain input whose state cannot be told apart', async () => {
    const tool = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    const trial = verifyTool(tool, { input: { ref: 'mixed' }, state: () => [1, 2] })
    await expect(trial).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('(unique) =>'),
    })
  })

  it.each([
    ['always answers the same', () => 1],
    ['answers nothing', () => undefined],
    ['looks elsewhere', ({ ref }: OrderInput) => downstream.effects(`${ref}-of-somebody-else`)],
  ])('proves nothing by a state that %s, and says so', async (_how, blind) => {
    const bare = (order: OrderInput): Promise<unknown> => place(downstream, order)
    const guarded = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    for (const tool of [bare, guarded]) {
      await expect(verifyTool(tool, { input, state: blind })).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        message: expect.stringContaining('nothing was proven'),
      })
    }
    const plain = { input: { ref: `plain-${String(_how)}` }, state: () => 0 }
    await expect(verifyTool(guarded, plain)).rejects.toThrow(/nothing was proven/)
    expect(await downstream.effects(plain.input.ref)).toBe(1)
  })

  it.each([
    [
      'counts the effects of other inputs too',
      async (order: OrderInput) => (all += await downstream.effects(order.ref)),
    ],
    ['holds something new each time', async (order: OrderInput) => [await downstream.effects(order.ref), randomUUID()]],
  ])('does not blame a safe tool for a state that %s', async (_how, unsteady) => {
    const tool = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    await expect(verifyTool(tool, { input, state: unsteady })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('Two single calls end in different states'),
    })
  })

  it('refuses a state in which JSON cannot hold what there is', async () => {
    const tool = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    const state = async ({ ref }: OrderInput): Promise<unknown> => [
      await downstream.effects(ref),
      new Map([['orders', await downstream.effects(ref)]]),
    ]
    await expect(verifyTool(tool, { input, state })).rejects.toThrow(/no JSON data: it holds a Map or a Set/)
  })

  it('sees an effect that comes after its answer at a second look', async () => {
    const orders: string[] = []
    let late: string[] = []
    const tool = ({ ref }: OrderInput): void => void (orders.includes(ref) ? late : orders).push(ref)
    const state = ({ ref }: OrderInput): number => {
      const now = orders.filter((one) => one === ref).length
      orders.push(...late)
      late = []
      return now
    }
    await expect(verifyTool(tool, { input, state })).rejects.toThrow(/called twice[^]*1 +≠ 2[^]*16 times at once/)
  })

  it.each([
    ['a UUID', z.uuid(), '2b1f6f3a-0b34-4f6a-9d5e-0c1d2e3f4a5b'],
    ['an address', z.email(), 'ann@example.com'],
    ['a link', z.url(), 'https://example.com/a'],
    ['a time', z.iso.datetime(), '2026-01-02T03:04:05.000Z'],
    ['a date', z.iso.date(), '2026-01-02'],
    ['a share', z.number().max(1), 1],
  ])('says an ignored field otherwise also where it is %s', async (_what, field, value) => {
    const tool = testGuard().tool({
      name: 'place_order',
      input: z.object({ ref: z.string(), request: field }),
      effect: 'write',
      // The mistake: what may differ is in the identity.
      identity: ({ ref, request }) => [ref, request],
      ignore: ['request'],
      recovery: keyed('24h'),
      execute: ({ ref }, { fetch }) => place(downstream, { ref }, fetch),
    })
    const trial = verifyTool(tool, { input: (unique) => ({ ref: unique, request: value }), state })
    await expect(trial).rejects.toThrow(/called again with another request/)
  })

  it('makes no check of an ignored field that cannot be said otherwise', async () => {
    const tool = testGuard().tool({
      name: 'place_order',
      input: z.object({ ref: z.string(), by: z.enum(['land', 'sea']) }),
      effect: 'write',
      identity: ['ref'],
      ignore: ['by'],
      recovery: keyed('24h'),
      execute: ({ ref }, { fetch }) => place(downstream, { ref }, fetch),
    })
    const checks = await verifyTool(tool, { input: (unique) => ({ ref: unique, by: 'sea' as const }), state })
    expect(checks.map(({ name }) => name)).not.toContain('called again with another by')
  })

  it('takes a state that has nothing to look at before the first call', async () => {
    const tool = orderTool(testGuard(), downstream, { recovery: keyed('24h') })
    const late = async ({ ref }: OrderInput): Promise<number> => {
      const orders = await downstream.effects(ref)
      if (orders === 0) throw new Error('no such order')
      return orders
    }
    expect((await verifyTool(tool, { input, state: late })).every(({ ok }) => ok)).toBe(true)
  })

  /** Says that its key is honoured, and sends another at each attempt. */
  const underAnyKey = (before: (context: ToolContext) => void) =>
    testGuard().tool({
      name: 'place_order',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: keyed('24h'),
      execute: (order: OrderInput, context: ToolContext) => {
        before(context)
        return place(downstream, order, (url, init) =>
          fetch(url, { ...init, headers: { 'idempotency-key': randomUUID() } }),
        )
      },
    })

  it('catches a tool that says its key is honoured and sends another at each attempt', async () => {
    const tool = underAnyKey((context) => context.checkpoint())
    await expect(verifyTool(tool, { input, state })).rejects.toThrow(
      /not safe to retry[^]*answer lost[^]*≠ {3}"orders": 2/,
    )
  })

  it('catches it in a crash where the engine sees that it asked for no key, and sends nothing again', async () => {
    const error: unknown = await verifyTool(
      underAnyKey(() => {}),
      { input, state },
    ).catch((thrown: unknown) => thrown)
    expect(String(error)).toMatch(/not safe to retry[^]*crash between effect and record[^]*≠ {3}"orders": 2/)
    expect(String(error)).not.toContain('answer lost')
  })

  it('catches a probe that never finds', async () => {
    const blind = orderTool(testGuard(), downstream, {
      name: 'blind',
      sends: 'checked',
      recovery: probe(() => ({ found: false }), { settle: '1ms' }),
    })
    await expect(verifyTool(blind, { input, state })).rejects.toThrow(/crash between effect and record/)
  })

  it('catches a probe that always finds: what never began is lost', async () => {
    const credulous = orderTool(testGuard(), downstream, {
      name: 'credulous',
      sends: 'checked',
      recovery: probe(({ ref }: OrderInput) => ({ found: true, value: { id: '0', ref } }), { settle: '1ms' }),
    })
    await expect(verifyTool(credulous, { input, state })).rejects.toThrow(
      /not safe to retry:\s+crash before the effect, called again[^]*"orders": 1 +≠ {3}"orders": 0/,
    )
  })

  it('does not blame a probe that cannot tell absence: what it leaves is a doubt, not a loss', async () => {
    const careful = orderTool(testGuard(), downstream, {
      name: 'careful',
      sends: 'checked',
      recovery: probe(
        async (order: OrderInput) => {
          const answer = await findOrder(downstream, order)
          return answer.found === true ? answer : { found: 'unknown' as const }
        },
        { settle: '1ms' },
      ),
    })
    const checks = await verifyTool(careful, { input, state })
    expect(checks.map(({ name }) => name)).not.toContain('crash before the effect, called again')
    expect(checks.every(({ ok }) => ok)).toBe(true)
  }, 20_000)

  it('does not blame a tool that computes for longer than a short lease', { timeout: 30_000 }, async () => {
    const busy = testGuard().tool({
      name: 'place_order',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: keyed('24h'),
      execute: async (order: OrderInput, { fetch }) => {
        const until = performance.now() + 400
        while (performance.now() < until);
        return await place(downstream, order, fetch)
      },
    })
    const checks = await verifyTool(busy, { input, state })
    expect(checks.map(({ name, ok }) => [name, ok])).toContainEqual([
      'crash between effect and record, called again',
      true,
    ])
  })

  it('catches a plain function, by its repeats alone', async () => {
    const bare = (order: OrderInput): Promise<unknown> => place(downstream, order)
    await expect(verifyTool(bare, { input, state })).rejects.toThrow(/called twice[^]*16 times at once/)
  })

  it('passes a composite tool on its own ledger', async () => {
    const guard = testGuard()
    const child = orderTool(guard, downstream, { recovery: keyed('24h') })
    const pair = guard.tool({
      name: 'place_pair',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: composite(),
      execute: async ({ ref }: OrderInput) => [await child({ ref: `${ref}-a` }), await child({ ref: `${ref}-b` })],
    })
    const checks = await verifyTool(pair, {
      input,
      state: async ({ ref }) => [await downstream.effects(`${ref}-a`), await downstream.effects(`${ref}-b`)],
    })
    expect(checks[0]?.expected).toEqual([1, 1])
    await guard.close()
  })

  it('works under node:test as well', { timeout: 60_000 }, () => {
    const file = fileURLToPath(new URL('./node-test.process.ts', import.meta.url))
    const { status, stdout } = spawnSync(process.execPath, ['-C', 'onefold-source', '--test', file], {
      encoding: 'utf8',
    })
    expect(stdout).toMatch(/pass 2/)
    expect(status).toBe(0)
  })
})
