/**
 * The embedded ledger: one SQLite file on this machine, through `node:sqlite`.
 *
 * @example
 * const guard = onefold({ store: sqliteStore('effects.db') })
 * @module
 */
export { isUnusedLedger } from './is-unused.ts'
export { migrateSqlite } from './ledger.ts'
export { sqliteStore, type SqliteOptions } from './sqlite-store.ts'
