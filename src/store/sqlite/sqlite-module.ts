import type { DatabaseSync as Database } from 'node:sqlite'

export type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** Opens databases. Node 22 warns about `node:sqlite` on stderr, where a proxy's host would see it with every start. */
export const SqliteDatabase: typeof Database = loadQuietly()

function loadQuietly(): typeof Database {
  const emitWarning = process.emitWarning
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite')) emitWarning.call(process, warning, ...rest)
  }) as typeof process.emitWarning
  try {
    return process.getBuiltinModule('node:sqlite').DatabaseSync
  } finally {
    process.emitWarning = emitWarning
  }
}
