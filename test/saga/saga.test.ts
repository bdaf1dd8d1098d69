import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyed, manual } from '../../src/contract/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'
import { checkoutSaga, nakedCheckout, PARTS } from './checkout.ts'
import type { Task } from './checkout.process.ts'

const folder = temporaryFolder()
let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream(join(folder.path, 'service.db'))
})

afterAll(async () => {
  await downstream.close()
  folder.remove()
})

const effectsOf = (order: string): Promise<readonly number[]> =>
  Promise.all(PARTS.map((part) => downstream.effects(`${part}-${order}`)))

/** Effects in the order of PARTS. */
const DONE = [1, 1, 1, 0, 0]
const UNDONE = [1, 1, 0, 1, 1]

function inProcess(task: Omit<Task, 'url'>): NodeJS.Signals | null {
  const file = fileURLToPath(new URL('./checkout.process.ts', import.meta.url))
  const { signal } = spawnSync(
    process.execPath,
    ['-C', 'onefold-source', file, JSON.stringify({ ...task, url: downstream.url })],
    { encoding: 'utf8', timeout: 60_000 },
  )
  return signal
}

/** The process dies; another one on the same ledger is asked for the same checkout. */
async function killedThenAgain(task: Omit<Task, 'url'> & { readonly ledger: string }): Promise<string> {
  expect(inProcess(task)).toBe('SIGKILL')
  const guard = testGuard({ store: sqliteStore(task.ledger) })
  try {
    const end = await checkoutSaga(guard, downstream, task.recovery)({ order: task.order })
    const again = await checkoutSaga(guard, downstream, task.recovery)({ order: task.order })
    expect(again).toEqual(end)
    return end.status
  } finally {
    await guard.close()
  }
}

/** `marked` and `committed` pass once for the saga and once for each of its operations. */
const FORWARD = [
  ['marked', 1],
  ['marked', 3],
  ['answered', 1],
  ['answered', 2],
  ['before-commit', 3],
  ['committed', 2],
  ['committed', 3],
] as const

const BACKWARD = [
  ['answered', 3],
  ['marked', 5],
  ['answered', 4],
  ['marked', 6],
  ['answered', 5],
  ['committed', 4],
  ['answered', 6],
  ['committed', 5],
] as const

describe('a saga', () => {
  it('without a ledger, a crash and a retry repeat its first steps', { timeout: 60_000 }, async () => {
    const task = { order: 'naked', recovery: 'keyed', die: { point: 'answer', nth: 2 } } as const
    expect(inProcess(task)).toBe('SIGKILL')
    await nakedCheckout(downstream, 'naked')
    expect(await effectsOf('naked')).toEqual([2, 2, 1, 0, 0])
  })

  it.each(FORWARD)('killed at %s %i, it is done once [BF-12]', { timeout: 60_000 }, async (point, nth) => {
    const order = `forward-${point}-${nth}`
    const ledger = join(folder.path, `${order}.db`)
    expect(await killedThenAgain({ order, ledger, recovery: 'keyed', die: { point, nth } })).toBe('done')
    expect(await effectsOf(order)).toEqual(DONE)
  })

  it.each(BACKWARD)('refused and killed at %s %i, it ends whole [BF-12]', { timeout: 60_000 }, async (point, nth) => {
    const order = `backward-${point}-${nth}`
    // Only the first shipment is refused: once the undo is decided, nothing may run forward again.
    await downstream.plan(`ship-${order}`, 'refuse')
    const ledger = join(folder.path, `${order}.db`)
    const status = await killedThenAgain({ order, ledger, recovery: 'keyed', die: { point, nth } })
    expect(await effectsOf(order)).toEqual(status === 'done' ? DONE : UNDONE)
    // Killed before its verdict stood, it may still be done; after that, never.
    if (point !== 'answered' || nth > 3) expect(status).toBe('undone')
  })

  it.each([
    ['answered', 2],
    ['marked', 3],
  ] as const)(
    'a half-written attempt, killed at %s %i, is found by a probe, not repeated [SH-3]',
    { timeout: 60_000 },
    async (point, nth) => {
      await downstream.honoursKeys(false)
      const order = `half-${point}`
      const ledger = join(folder.path, `${order}.db`)
      expect(await killedThenAgain({ order, ledger, recovery: 'probe', die: { point, nth } })).toBe('done')
      expect(await effectsOf(order)).toEqual(DONE)
      await downstream.honoursKeys(true)
    },
  )

  it('whose answers are lost on the way forward and back is undone once [SH-3]', async () => {
    await downstream.honoursKeys(false)
    const guard = testGuard({ store: sqliteStore(join(folder.path, 'lost.db')) })
    for (const part of ['reserve', 'charge', 'refund', 'release']) await downstream.plan(`${part}-lost`, 'lose-answer')
    await downstream.plan('ship-lost', 'refuse')
    const end = await checkoutSaga(guard, downstream, 'probe')({ order: 'lost' })
    expect(end).toMatchObject({ status: 'undone', failed: 'ship' })
    expect(await effectsOf('lost')).toEqual(UNDONE)
    const stats = await guard.ledger.stats()
    expect(stats.states).toMatchObject({ compensated: 2 })
    await guard.close()
    await downstream.honoursKeys(true)
  })

  it('called by sixteen at once is one saga', async () => {
    const guard = testGuard()
    const saga = checkoutSaga(guard, downstream, 'keyed')
    const ends = await Promise.all(Array.from({ length: 16 }, () => saga({ order: 'many' })))
    expect(new Set(ends.map((end) => JSON.stringify(end))).size).toBe(1)
    expect(await effectsOf('many')).toEqual(DONE)
  })

  it('refuses a step that does not say how it is undone, and tools of another guard', () => {
    const guard = testGuard()
    const tool = orderTool(guard, downstream, { recovery: keyed('24h') })
    const step = { tool, input: () => ({ ref: 'x' }) }
    expect(() => guard.saga('two', [step, { ...step, name: 'second' }])).toThrow(/says not how it is undone/)
    expect(() => guard.saga('twins', [{ ...step, undo: 'none' }, step])).toThrow(/two steps called place_order/)
    expect(() => guard.saga('none', [])).toThrow(/no steps/)
    const other = orderTool(testGuard(), downstream, { recovery: manual() })
    expect(() => guard.saga('foreign', [{ ...step, tool: other }])).toThrow(/same guard/)
    expect(() => guard.saga('odd', [{ ...step, undo: 'compensate' }])).toThrow(/does not declare/)
  })
})
