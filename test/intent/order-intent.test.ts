import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orderIntent, type OrderIntent } from '../../src/engine/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'

const folder = temporaryFolder()
let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => {
  await downstream.close()
  folder.remove()
})

const intent: OrderIntent = {
  merchant: 'm-1',
  user: 'u-1',
  session: 's-1',
  lines: [
    { sku: 'A', quantity: 2 },
    { sku: 'B', quantity: 1 },
  ],
}

/** An order as a service takes it: one for each key. */
async function order(key: string): Promise<void> {
  await fetch(`${downstream.url}/effects/orders`, { method: 'POST', body: '{}', headers: { 'idempotency-key': key } })
}

describe('an order intent', () => {
  it(
    'keeps its key through a restart and on another machine, so the shop has one order [OR-1]',
    { timeout: 60_000 },
    async () => {
      const ledger = join(folder.path, 'ledger.db')
      const program = fileURLToPath(new URL('./intent.process.ts', import.meta.url))
      const args = ['-C', 'onefold-source', program, ledger, JSON.stringify(intent)]
      const keys = [1, 2].map(() => spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim())
      const guard = testGuard({ store: sqliteStore(ledger) })
      const reordered = await orderIntent(guard, { ...intent, lines: [...intent.lines].toReversed() })
      const tenAtOnce = await Promise.all(Array.from({ length: 10 }, () => orderIntent(guard, intent)))
      for (const key of [...keys, reordered.key, ...tenAtOnce.map((one) => one.key)]) await order(key)
      expect(keys[0]).toMatch(/^oi1_[\w-]{43}$/)
      expect(await downstream.effects('orders')).toBe(1)
      await guard.close()
    },
  )

  it('is another one for other things, another session, another person, and when it is wanted twice', async () => {
    const guard = testGuard()
    const others: readonly OrderIntent[] = [
      intent,
      { ...intent, session: 's-2' },
      { ...intent, user: 'u-2' },
      { ...intent, merchant: 'm-2' },
      { ...intent, lines: [{ sku: 'A', quantity: 3 }] },
      { ...intent, occurrence: 2 },
    ]
    const keys = await Promise.all(others.map(async (one) => (await orderIntent(guard, one)).key))
    expect(new Set(keys).size).toBe(others.length)
    const again = await Promise.all(others.map(async (one) => (await orderIntent(guard, one)).key))
    expect(again).toEqual(keys)
  })

  it('refuses what is none', async () => {
    const guard = testGuard()
    await expect(orderIntent(guard, { ...intent, session: '' })).rejects.toThrow(/session is missing/)
    await expect(orderIntent(guard, { ...intent, lines: [] })).rejects.toThrow(/no lines/)
    await expect(orderIntent(guard, { ...intent, lines: [{ sku: 'A', quantity: 0 }] })).rejects.toThrow(/quantity of A/)
  })
})
