import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect, pragma } from './connection.ts'
import { migrateSqlite } from './ledger.ts'
import { assertOurs, migrate } from './migrate.ts'
import { MIGRATIONS } from './schema.sql.ts'
import { SqliteDatabase, type DatabaseSync } from './sqlite-module.ts'
import { sqliteStore } from './sqlite-store.ts'

let folder = ''
let database: DatabaseSync

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-migrate-'))
  database = connect(join(folder, 'a.db'), { readOnly: false })
})

afterEach(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

const ADDITION = 'ALTER TABLE meta ADD COLUMN later TEXT'

describe('migrate', () => {
  it('brings an empty file to the newest schema and names it', () => {
    migrate(database, 'a.db', MIGRATIONS, 5)
    expect(pragma(database, 'user_version')).toBe(MIGRATIONS.length)
    expect(pragma(database, 'application_id')).toBe(0x4f463100)
    expect(database.prepare('SELECT sequence, clock, created_at, length(file_id) AS id FROM meta').get()).toMatchObject(
      { sequence: 0, clock: 5, created_at: 5, id: 32 },
    )
  })

  it('does nothing to a file that is up to date', () => {
    migrate(database, 'a.db', MIGRATIONS, 5)
    const before = database.prepare('SELECT * FROM meta').get()
    migrate(database, 'a.db', MIGRATIONS, 6)
    expect(database.prepare('SELECT * FROM meta').get()).toEqual(before)
  })

  it('brings an older file on, with what is in it', () => {
    migrate(database, 'a.db', MIGRATIONS, 5)
    const id = database.prepare('SELECT file_id FROM meta').get()
    migrate(database, 'a.db', [...MIGRATIONS, ADDITION], 6)
    expect(pragma(database, 'user_version')).toBe(MIGRATIONS.length + 1)
    expect(database.prepare('SELECT later FROM meta').get()).toMatchObject({ later: null })
    expect(database.prepare('SELECT file_id FROM meta').get()).toEqual(id)
  })

  it('leaves the file as it was when a step fails', () => {
    migrate(database, 'a.db', MIGRATIONS, 5)
    expect(() => migrate(database, 'a.db', [...MIGRATIONS, ADDITION, 'nonsense'], 6)).toThrow(/syntax/)
    expect(pragma(database, 'user_version')).toBe(MIGRATIONS.length)
    expect(() => database.prepare('SELECT later FROM meta')).toThrow(/no such column/)
  })

  it('refuses a newer file', () => {
    migrate(database, 'a.db', [...MIGRATIONS, ADDITION], 5)
    expect(() => migrate(database, 'a.db', MIGRATIONS, 6)).toThrow(
      new RegExp(`schema ${MIGRATIONS.length + 1}; this version of onefold knows ${MIGRATIONS.length}: update onefold`),
    )
  })

  it.each([
    ['tables', 'CREATE TABLE theirs (a)'],
    ['another application id', 'PRAGMA application_id = 7'],
    ['a version of its own', 'PRAGMA user_version = 3'],
  ])('refuses a file of another application, known by %s', (_by, sql) => {
    database.exec(sql)
    expect(() => migrate(database, 'a.db', MIGRATIONS, 6)).toThrow(/of another application/)
  })

  it('takes no new ledger for a stranger’s when another process makes it between two looks', () => {
    const between = (sql: string): void => {
      if (sql !== 'PRAGMA user_version') return
      const other = connect(join(folder, 'a.db'), { readOnly: false })
      migrate(other, 'a.db', MIGRATIONS, 5)
      other.close()
    }
    const watched = {
      prepare: (sql: string) => {
        between(sql)
        return database.prepare(sql)
      },
      exec: (sql: string) => database.exec(sql),
      get isTransaction() {
        return database.isTransaction
      },
    } as unknown as DatabaseSync
    expect(() => assertOurs(watched, 'a.db', MIGRATIONS.length)).not.toThrow()
    expect(database.isTransaction).toBe(false)
    expect(() => assertOurs(database, 'a.db', MIGRATIONS.length)).not.toThrow()
  })
})

describe('connect', () => {
  it.each([true, false])('has WAL and synchronous=FULL, read-only %s', (readOnly) => {
    const other = connect(join(folder, 'a.db'), { readOnly })
    expect([pragma(other, 'journal_mode'), pragma(other, 'synchronous')]).toEqual(['wal', 2])
    other.close()
  })

  it('refuses a file that does not take WAL', () => {
    const path = join(folder, 'b.db')
    const other = new SqliteDatabase(path)
    other.exec('CREATE TABLE a (b)')
    other.close()
    expect(() => connect(path, { readOnly: true })).toThrow(/is in journal mode delete and does not take WAL/)
  })
})

describe('whoever only looks', () => {
  const path = (): string => join(folder, 'a.db')

  it('leaves an older ledger as it is, and says what to do', async () => {
    migrate(database, 'a.db', MIGRATIONS.slice(0, 1), 5)
    const looking = sqliteStore({ path: path(), asItIs: true })
    await expect(looking.open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringMatching(
        /has schema 1, .* writes 2\. Nothing was changed, .*onefold ledger migrate/,
      ) as string,
    })
    expect(pragma(database, 'user_version')).toBe(1)
    expect(migrateSqlite(path())).toEqual({ from: 1, to: 2 })
    expect(migrateSqlite(path())).toEqual({ from: 2, to: 2 })
    await looking.open()
    await looking.close()
  })

  it('makes no ledger', async () => {
    const nowhere = join(folder, 'deep', 'b.db')
    await expect(sqliteStore({ path: nowhere, asItIs: true }).open()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    expect(existsSync(join(folder, 'deep'))).toBe(false)
  })
})
