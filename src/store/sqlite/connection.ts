import { SqliteDatabase, type DatabaseSync } from './sqlite-module.ts'
import { unsafe } from './failure.ts'

/** How long SQLite itself waits for a lock before the worker looks at its messages again. */
const BUSY_SLICE_MS = 50

const FULL = 2

export interface ConnectOptions {
  readonly readOnly: boolean
  /** Whose thread must not stand still: it waits for no lock and leaves checkpoints to others. @default false */
  readonly hurried?: boolean
  /** Looks at the file before anything in it is changed; throws to leave it alone. @default none */
  readonly check?: (database: DatabaseSync) => void
}

/**
 * A connection with the settings that the promise rests on, set and read back: a new connection may silently be less
 * durable than the one before it (facts/reliability.md 0.7). `fullfsync` is what makes a sync reach the disk on macOS.
 * @throws FailureError STORE_UNSAFE when a setting does not take
 */
export function connect(path: string, options: ConnectOptions): DatabaseSync {
  const database = new SqliteDatabase(path, {
    readOnly: options.readOnly,
    timeout: options.readOnly || options.hurried === true ? 0 : BUSY_SLICE_MS,
    enableForeignKeyConstraints: false,
  })
  try {
    options.check?.(database)
    if (!options.readOnly) {
      database.exec('PRAGMA journal_mode = WAL')
      database.exec(`PRAGMA wal_autocheckpoint = ${options.hurried === true ? 0 : 1000}`)
      database.exec('PRAGMA journal_size_limit = 67108864')
    }
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA fullfsync = ON')
    database.exec('PRAGMA checkpoint_fullfsync = ON')
    database.exec('PRAGMA trusted_schema = OFF')
    // What retention erases is gone from the file too, and not only from the tables.
    database.exec('PRAGMA secure_delete = ON')
    database.exec(`PRAGMA cache_size = ${options.readOnly ? -8192 : -65536}`)
    const journal = pragma(database, 'journal_mode')
    if (journal !== 'wal') {
      throw unsafe(`${path} is in journal mode ${String(journal)} and does not take WAL: use a local file system.`)
    }
    const synchronous = pragma(database, 'synchronous')
    if (synchronous !== FULL) {
      throw unsafe(
        `${path} does not take synchronous=FULL (it reads ${String(synchronous)}): an acknowledged claim could be lost.`,
      )
    }
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** The value that a PRAGMA reads. */
export function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}
