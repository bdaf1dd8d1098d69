import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { manual } from '../../src/contract/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'
import { orderTool, place } from '../support/order-tool.ts'

let downstream: Downstream
let folder: ReturnType<typeof temporaryFolder>
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

it('control: without a ledger a repeat places a second order', async () => {
  await place(downstream, { ref: 'plain' })
  await place(downstream, { ref: 'plain' })
  expect(await downstream.effects('plain')).toBe(2)
})

/** Nothing here is about a lease, and a busy machine may take longer than a short one. */
const PATIENT = { leaseMs: 30_000, heartbeatMs: 10_000 }

const ways = [
  ['moved away', (path: string) => renameSync(path, `${path}.away`)],
  [
    'replaced by its copy',
    (path: string) => {
      copyFileSync(path, `${path}.copy`)
      renameSync(`${path}.copy`, path)
    },
  ],
] as const

describe.each([
  ['in the worker', false],
  ['on the caller’s thread', true],
])('a ledger that is written %s', (where, onCallersThread) => {
  it.each(ways)('and %s while it is open lets no effect happen twice', async (how, disturb) => {
    const path = join(folder.path, 'ledger.db')
    const guard = testGuard({ store: sqliteStore({ path, onCallersThread }), settings: PATIENT })
    const order = orderTool(guard, downstream, { recovery: manual(), retention: '1d' })
    const [before, after] = [`before ${where} ${how}`, `after ${where} ${how}`]
    await order({ ref: before })
    disturb(path)

    // A run is refused, or in doubt from now on; never made where nobody would find it again.
    const made = await order({ ref: after }).catch((error: unknown) => error as { code: string })
    if ('code' in made) expect(['STORE_UNAVAILABLE', 'IN_DOUBT']).toContain(made.code)
    for (let n = 0; n < 3; n += 1) {
      await order({ ref: before, note: `again ${n}` }).catch(() => undefined)
      await order({ ref: after, note: `again ${n}` }).catch(() => undefined)
    }
    await guard.close()
    const later = testGuard({ store: sqliteStore({ path, onCallersThread }), settings: PATIENT })
    const again = orderTool(later, downstream, { recovery: manual(), retention: '1d' })
    await again({ ref: before }).catch(() => undefined)
    await again({ ref: after }).catch(() => undefined)
    await later.close()

    expect(await downstream.effects(before)).toBe(1)
    expect(await downstream.effects(after)).toBeLessThanOrEqual(1)
  })
})
