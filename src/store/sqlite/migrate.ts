import { randomBytes } from 'node:crypto'
import { pragma } from './connection.ts'
import { unsafe } from './failure.ts'
import { APPLICATION_ID } from './schema.sql.ts'
import type { DatabaseSync } from './sqlite-module.ts'

/**
 * Brings a file to the schema of `migrations`, in one transaction; two processes that open a new file at once do it once.
 * @throws FailureError STORE_UNSAFE for a file of another application or of a newer version
 */
export function migrate(database: DatabaseSync, path: string, migrations: readonly string[], now: number): void {
  assertOurs(database, path, migrations.length)
  if (schemaOf(database) === migrations.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    assertOurs(database, path, migrations.length)
    const from = schemaOf(database)
    for (const step of migrations.slice(from)) database.exec(step)
    if (from === 0) {
      const insert = database.prepare(
        'INSERT INTO meta (one, file_id, sequence, clock, created_at) VALUES (1, ?, 0, ?, ?)',
      )
      insert.run(randomBytes(16).toString('hex'), now, now)
    }
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
    database.exec(`PRAGMA user_version = ${migrations.length}`)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/**
 * Passes for a ledger of the schema `newest` alone. Programs of an older version refuse a file once it was migrated, so
 * whoever only looks leaves that to its operator.
 * @throws FailureError STORE_UNSAFE
 */
export function assertCurrent(database: DatabaseSync, path: string, newest: number): void {
  assertOurs(database, path, newest)
  const version = schemaOf(database)
  if (version === newest) return
  throw unsafe(
    `The ledger ${path} has schema ${version}, and this version of onefold writes ${newest}. Nothing was changed, since programs of an older version refuse the file after that: look with the version that your programs have, or bring it up with \`onefold ledger migrate\`.`,
  )
}

/** Which of the migrations a file has had. */
export const schemaOf = (database: DatabaseSync): number => pragma(database, 'user_version') as number

/**
 * Passes for an empty file, and for a ledger of a schema up to `newest`.
 * @throws FailureError STORE_UNSAFE for any other database
 */
export function assertOurs(database: DatabaseSync, path: string, newest: number): void {
  const { application, version, tables } = inOneSnapshot(database, () => ({
    application: pragma(database, 'application_id'),
    version: schemaOf(database),
    tables: database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.['count'],
  }))
  if (application !== APPLICATION_ID && (application !== 0 || version !== 0 || tables !== 0)) {
    throw unsafe(`${path} is a database of another application: name another path for the ledger.`)
  }
  if (version > newest) {
    throw unsafe(`The ledger ${path} has schema ${version}; this version of onefold knows ${newest}: update onefold.`)
  }
}

/** Between two reads of its own, another process may just have made the empty file a ledger. */
function inOneSnapshot<T>(database: DatabaseSync, read: () => T): T {
  if (database.isTransaction) return read()
  database.exec('BEGIN')
  try {
    return read()
  } finally {
    if (database.isTransaction) database.exec('ROLLBACK')
  }
}
