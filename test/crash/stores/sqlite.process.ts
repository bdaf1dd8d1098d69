import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '../../../src/store/sqlite/index.ts'
import { runChild } from '../child.ts'

const BUSY_MS = 150

await runChild(async (path) => ({
  store: sqliteStore({ path, busyMs: BUSY_MS }),
  async lock() {
    const other = new DatabaseSync(path)
    other.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE')
    return () => other.close()
  },
  close: () => Promise.resolve(),
}))
