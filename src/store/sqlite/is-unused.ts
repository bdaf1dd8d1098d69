import { statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { SELECT_META } from './meta.sql.ts'
import { SqliteDatabase } from './sqlite-module.ts'

/**
 * True for a ledger file in which nothing was ever recorded, as a proxy leaves it whose server could not be started; false
 * also where that cannot be seen. Changes nothing, and leaves no file beside it.
 */
export function isUnusedLedger(path: string): boolean {
  try {
    // `immutable` looks past the log, so a log that holds anything decides (https://sqlite.org/uri.html).
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return false
    const database = new SqliteDatabase(new URL(`${pathToFileURL(path).href}?immutable=1`), { readOnly: true })
    try {
      return database.prepare(SELECT_META).get()?.['sequence'] === 0
    } finally {
      database.close()
    }
  } catch {
    return false
  }
}
