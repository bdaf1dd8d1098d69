import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { keyed } from '../../src/contract/index.ts'
import type { Guard, Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

/** The memory store as one on another machine is seen: what is asked of it counts. */
function distant(): { readonly store: Store; asked(): number } {
  const inner = memoryStore()
  let asked = 0
  return {
    asked: () => asked,
    store: {
      ...inner,
      guarantees: { ...inner.guarantees, localReads: false },
      read: async (key, tenant) => {
        asked += 1
        return await inner.read(key, tenant)
      },
      write: (write) => {
        asked += 1
        return inner.write(write)
      },
    },
  }
}

/** Housekeeping writes down duplicates by reading them: not while this counts. */
const STILL = { sweepMs: 60_000, leaseMs: 60_000, heartbeatMs: 20_000 }

describe('a repeat in the process that was answered, on a ledger of another machine', () => {
  let far: ReturnType<typeof distant>
  let guard: Guard
  let other: Guard
  beforeEach(() => {
    far = distant()
    guard = testGuard({ store: far.store, settings: STILL })
    other = testGuard({ store: far.store, settings: STILL })
    return async () => {
      await guard.close()
      await other.close()
    }
  })

  it('asks the ledger nothing, and is the same answer', async () => {
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    const first = await order({ ref: 'far-repeat' })
    const asked = far.asked()
    const again = await order.perform({ ref: 'far-repeat' })
    expect(again).toMatchObject({ status: 'committed', replayed: true, value: first })
    expect(far.asked()).toBe(asked)
    expect(await downstream.effects('far-repeat')).toBe(1)
  })

  it('of what another process did asks it once', async () => {
    await orderTool(other, downstream, { recovery: keyed('24h') })({ ref: 'far-other' })
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await order({ ref: 'far-other' })
    const asked = far.asked()
    await order({ ref: 'far-other' })
    expect(far.asked()).toBe(asked)
    expect(await downstream.effects('far-other')).toBe(1)
  })

  it('with other values under the same key is refused as ever', async () => {
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await order({ ref: 'far-reused', amount: 1 })
    await expect(order({ ref: 'far-reused', amount: 2 })).rejects.toMatchObject({ code: 'KEY_REUSED' })
    expect(await downstream.effects('far-reused')).toBe(1)
  })

  it('of what can be undone is looked up each time: undone elsewhere, it is not told as done', async () => {
    const undo = async (): Promise<void> => undefined
    const order = orderTool(guard, downstream, { recovery: keyed('24h'), compensate: undo })
    const elsewhere = orderTool(other, downstream, { recovery: keyed('24h'), compensate: undo })
    await order({ ref: 'far-undone' })
    await order({ ref: 'far-undone' })
    await elsewhere.compensate({ ref: 'far-undone' })
    await expect(order({ ref: 'far-undone' })).rejects.toMatchObject({ name: 'OnefoldError' })
  })

  it('with `replayMemoryMs: 0` is a look at the ledger each time', async () => {
    const asking = testGuard({ store: far.store, settings: { ...STILL, replayMemoryMs: 0 } })
    const order = orderTool(asking, downstream, { recovery: keyed('24h') })
    await order({ ref: 'far-never' })
    const asked = far.asked()
    await order({ ref: 'far-never' })
    expect(far.asked()).toBe(asked + 1)
    await asking.close()
  })
})
