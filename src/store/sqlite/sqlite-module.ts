import type { DatabaseSync as Database } from 'node:sqlite'
import { OnefoldError } from '../../error/index.ts'

export type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** Opens databases. Node 22 warns about `node:sqlite` on stderr, where a proxy's host would see it with every start. */
export const SqliteDatabase: typeof Database = loadQuietly()

function loadQuietly(): typeof Database {
  const emitWarning = process.emitWarning
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite')) emitWarning.call(process, warning, ...rest)
  }) as typeof process.emitWarning
  try {
    const sqlite = (process.getBuiltinModule as typeof process.getBuiltinModule | undefined)?.('node:sqlite')
    if (sqlite !== undefined) return sqlite.DatabaseSync
    throw new OnefoldError(
      'STORE_UNSAFE',
      `onefold needs Node 22.18 or later and this is Node ${process.versions.node}. Nothing was started; install a current Node.`,
    )
  } finally {
    process.emitWarning = emitWarning
  }
}
