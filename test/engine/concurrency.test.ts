import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { composite, keyed, manual } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { orderInput, orderTool, place } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)))

it('control: twelve agents without protection make twelve effects', async () => {
  await times(12, () => place(downstream, { ref: 'twelve-control' }))
  expect(await downstream.effects('twelve-control')).toBe(12)
})

describe.each(STORES)('on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let guard: Guard
  let count = 0
  beforeEach(() => {
    count += 1
    guard = testGuard({ store: makeStore(`${folder.path}/${count}`) })
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  const ref = (what: string): string => `${name}-concurrency-${what}`

  it('twelve agents call one tool at once: one winner, every one gets its answer [AG-3][SH-2][SH-6]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    await downstream.plan(ref('twelve'), 'stall:30')
    const answers = await times(12, (n) =>
      guard.run({ id: `agent-${n}` }, () => order({ ref: ref('twelve'), note: `${n}` })),
    )
    expect(await downstream.effects(ref('twelve'))).toBe(1)
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(new Set(answers).size).toBe(12)
  })

  it('three calls of one planner turn with distinct call ids and one intent: one effect, three answers [AG-7]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    const answers = await times(3, (n) => order({ ref: ref('turn') }, { callId: `toolu_${n}` }))
    expect(await downstream.effects(ref('turn'))).toBe(1)
    expect(answers.map((answer) => answer.ref)).toEqual(Array(3).fill(ref('turn')))
  })

  it('a person presses the button twice: one run, one effect [IN-15]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual(), scope: 'run' })
    const press = () => guard.run({ id: 'form-7' }, () => order({ ref: ref('button') }))
    await Promise.all([press(), press()])
    await press()
    expect(await downstream.effects(ref('button'))).toBe(1)
  })

  it('two processes, one ledger: one effect, both get the answer [AG-3]', async () => {
    if (name === 'memory') return
    const other = testGuard({ store: makeStore(`${folder.path}/${count}`) })
    const tools = [guard, other].map((each) => orderTool(each, downstream, { recovery: manual() }))
    await downstream.plan(ref('two'), 'stall:40')
    const outcomes = await Promise.all(tools.map((order) => order.perform({ ref: ref('two') })))
    expect(await downstream.effects(ref('two'))).toBe(1)
    expect(outcomes.filter((outcome) => outcome.replayed)).toHaveLength(1)
    expect(outcomes[0]?.value).toEqual(outcomes[1]?.value)
    await other.close()
  })

  it('distinct operations on one record take turns: no update is lost [AG-10]', async () => {
    const balances = new Map<string, number>()
    const unguarded = async (account: string): Promise<void> => {
      const before = balances.get(account) ?? 0
      await new Promise((resolve) => setTimeout(resolve, 2))
      balances.set(account, before + 1)
    }
    await times(5, () => unguarded('control'))
    expect(balances.get('control')).toBe(1)
    const deposit = guard.tool({
      name: 'deposit',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      exclusive: ['account'],
      recovery: manual(),
      execute: async (input, context) => {
        await unguarded('guarded')
        return await place(downstream, input, context.fetch)
      },
    })
    await times(5, (n) => deposit({ ref: `${ref('turns')}-${n}`, account: 'A' }))
    expect(balances.get('guarded')).toBe(5)
  })

  it('an operation inside the same operation is refused', async () => {
    const order: ReturnType<typeof orderTool> = orderTool(guard, downstream, {
      recovery: manual(),
      execute: async (input) => await order(input),
    })
    await expect(order({ ref: ref('self') })).rejects.toMatchObject({
      code: 'IN_DOUBT',
      cause: { code: 'RECURSIVE_OPERATION' },
    })
    expect(await downstream.effects(ref('self'))).toBe(0)
  })

  it('a composite whose second part failed runs again: the first part replays, none is repeated', async () => {
    const part = orderTool(guard, downstream, { recovery: keyed('24h') })
    let failures = 1
    const both = guard.tool({
      name: 'both',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: composite(),
      execute: async (input) => {
        const first = await part({ ref: `${input.ref}-a` })
        if (failures-- > 0) throw new Error('the process was told to stop here')
        return [first, await part({ ref: `${input.ref}-b` })]
      },
    })
    await both({ ref: ref('both') })
    expect([await downstream.effects(`${ref('both')}-a`), await downstream.effects(`${ref('both')}-b`)]).toEqual([1, 1])
  })

  it('a composite that takes another way when it runs again is DIVERGED', async () => {
    const part = orderTool(guard, downstream, { recovery: manual() })
    let runs = 0
    const wavering = guard.tool({
      name: 'wavering',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: composite(),
      execute: async (input) => {
        runs += 1
        await part({ ref: `${input.ref}-${runs}` })
        throw new Error('once more')
      },
    })
    const told = (): Promise<unknown> =>
      wavering.perform({ ref: ref('wavering') }, { waitMs: 200 }).catch((error: unknown) => error)
    await expect
      .poll(async () => [(await told()) as object, runs > 1], { timeout: 20_000 })
      .toMatchObject([{ code: 'IN_DOUBT' }, true])
    expect([
      await downstream.effects(`${ref('wavering')}-1`),
      await downstream.effects(`${ref('wavering')}-2`),
    ]).toEqual([1, 0])
  })

  it('a caller that stops waiting for a claim of another process has started nothing', async () => {
    if (name === 'memory') return
    const other = testGuard({ store: makeStore(`${folder.path}/${count}`) })
    let letGo = (): void => {}
    const preparing = new Promise<void>((resolve) => (letGo = resolve))
    let entered = (): void => {}
    const inside = new Promise<void>((resolve) => (entered = resolve))
    const slow = orderTool(other, downstream, {
      recovery: manual(),
      prepare: async () => {
        entered()
        await preparing
      },
    })
    const first = slow({ ref: ref('left') })
    await inside
    const controller = new AbortController()
    const second = orderTool(guard, downstream, { recovery: manual() })(
      { ref: ref('left') },
      { signal: controller.signal },
    )
    controller.abort()
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED', effect: 'none' })
    letGo()
    await first
    expect(await downstream.effects(ref('left'))).toBe(1)
    await other.close()
  })
})
