import { randomBytes } from 'node:crypto'
import { connect } from '../src/store/sqlite/connection.ts'
import { COLUMNS } from '../src/store/sqlite/columns.ts'
import { migrate } from '../src/store/sqlite/migrate.ts'
import { MIGRATIONS } from '../src/store/sqlite/schema.sql.ts'
import { INSERT_RECORD } from '../src/store/sqlite/write.sql.ts'
import { INPUT, OUTCOME } from './operation.ts'

/** What this machine and SQLite can do at most, without an engine, a worker, a history or a guard. */
export interface Floor {
  /** Effects per second: an insert and an update by key, each durable, in transactions of `batch` rows. */
  grouped(effects: number, batch: number): number
  /** Milliseconds of two durable commits one after the other: an insert, then its update. */
  pairs(count: number): number[]
  close(): void
}

const NOW = 1_800_000_000_000
const descriptor = JSON.stringify([
  1,
  'keyed',
  'f'.repeat(43),
  1,
  null,
  null,
  'call_1',
  null,
  86_400_000,
  86_400_000,
  null,
  false,
  true,
])
const outcome = JSON.stringify(OUTCOME)

/** The ledger's own table, indices and settings, on one connection in this thread. */
export function openFloor(path: string): Floor {
  const database = connect(path, { readOnly: false })
  migrate(database, path, MIGRATIONS, NOW)
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const insert = database.prepare(INSERT_RECORD)
  const update = database.prepare(
    'UPDATE records SET state = 8, revision = revision + 1, write_id = ?, open_sends = 0, lease_until = 0, updated_at = ?, outcome = ? WHERE key = ? AND tenant = 1 AND revision = ?',
  )
  if (COLUMNS.split(',').length !== 28) throw new Error('the table has changed: look at the floor again')
  let ids = 0

  function claim(key: Uint8Array): number {
    const id = (ids += 1)
    const name = `${id}`.padStart(16, 'n')
    // id, key, tenant, tool, state, revision, fence, nonce, write_id, owner, generation, attempts, recoveries, open_sends, …
    insert.run(
      id,
      key,
      1,
      2,
      2,
      id,
      id,
      name,
      name,
      3,
      0,
      1,
      0,
      1,
      NOW + 30_000,
      NOW,
      0,
      NOW,
      NOW,
      0,
      0,
      null,
      null,
      descriptor,
      INPUT,
      null,
      null,
      null,
      '[',
    )
    return id
  }

  return {
    grouped(effects, batch) {
      const keys = Array.from({ length: effects }, () => new Uint8Array(randomBytes(32)))
      const started = performance.now()
      for (let at = 0; at < effects; at += batch) {
        const some = keys.slice(at, at + batch)
        begin.run()
        const revisions = some.map(claim)
        commit.run()
        begin.run()
        for (const [n, key] of some.entries()) update.run('w', NOW, outcome, key, revisions[n] ?? 0)
        commit.run()
      }
      return (effects / (performance.now() - started)) * 1000
    },
    pairs(count) {
      return Array.from({ length: count }, () => {
        const key = new Uint8Array(randomBytes(32))
        const started = performance.now()
        const revision = claim(key)
        update.run('w', NOW, outcome, key, revision)
        return performance.now() - started
      })
    },
    close: () => database.close(),
  }
}
