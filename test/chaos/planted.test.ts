import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryStore } from '../../src/store/memory/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { chaos, showReport, type ChaosReport } from '../../src/testing/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder } from '../support/guard.ts'
import { EXAMPLES, type Example, type Place } from './unsafe-tools.ts'

const folder = temporaryFolder()
let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => {
  await downstream.close()
  folder.remove()
})

/** One order by an agent whose model words it anew at each sampling; judged by the service's own books. */
async function disturb(example: Example, make: Example['unsafe']): Promise<ChaosReport> {
  await downstream.honoursKeys(example.keyed)
  let samples = 0
  const memory = memoryStore()
  const file = join(folder.path, `${example.name}-${make === example.unsafe ? 'unsafe' : 'repaired'}`)
  return await chaos<Place>({
    open: (life) => {
      const claims = new DatabaseSync(`${file}-claims.db`)
      claims.exec('CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, state TEXT NOT NULL, until REAL NOT NULL)')
      return make({
        life,
        downstream,
        claims,
        ledger: () => (example.onDisk === true ? sqliteStore(`${file}-ledger.db`) : memory),
      })
    },
    workflow: async ({ app, unique, tool, model }) => {
      const { note } = await model(() => ({ note: `wording ${++samples}` }))
      await tool('place_order', app)({ ref: `order-${unique}`, note })
    },
    snapshot: async ({ unique }) => ({ orders: await downstream.effects(`order-${unique}`) }),
    person: async (record) => (await downstream.effects((JSON.parse(record.input ?? '') as { ref: string }).ref)) > 0,
    // A file costs a thread and its synced writes for each process: there, what only a file can show.
    ...(example.onDisk === true ? { faults: ['crash-before', 'crash-after'], combinations: 0 } : { combinations: 6 }),
    onFailure: 'return',
  })
}

describe('the kit finds the bug that was planted, and passes the repaired twin', () => {
  it.each(EXAMPLES)('$name', { timeout: 120_000 }, async (example) => {
    const unsafe = await disturb(example, example.unsafe)
    expect(unsafe.ok, `${example.mistake}, yet nothing was found`).toBe(false)
    expect(unsafe.baseline).toEqual({ orders: 1 })
    // A claim that is never let go blocks the order for ever: that is found too, in the right end state.
    const succeeded = unsafe.failures.filter(({ notes }) => !notes.some((note) => note.startsWith('no execution')))
    expect(succeeded.map(({ actual }) => actual)).not.toContainEqual({ orders: 1 })
    const repaired = await disturb(example, example.repaired)
    expect(showReport(repaired)).toContain('Every run ended in the state of the undisturbed one.')
    expect(repaired.runs).toBeGreaterThan(10)
  })
})
