import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { unavailable } from './failure.ts'

/**
 * Creates the ledger's file for its owner alone (0600) and its directories (0700) where they are missing.
 * SQLite gives its -wal and -shm files the mode of the main file. Modes of what exists are left alone; `doctor` tells.
 * @throws FailureError STORE_UNAVAILABLE where this user may not, or nobody
 */
export function prepareFile(path: string): void {
  try {
    makeFolder(dirname(path))
    unlessThere(() => closeSync(openSync(path, 'ax', 0o600)))
  } catch (error) {
    const why = (error as Error).message
    throw unavailable(`The ledger ${path} cannot be created (${why}): name a directory that this user may write to.`, {
      retryable: false,
    })
  }
}

/**
 * Not Node's own `recursive`: where a directory takes no other (read-only, or of the kernel) that one names the wrong
 * reason, or tries for ever.
 */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  // The root of a drive that is not there is its own parent.
  if (existsSync(folder) || parent === folder) return
  makeFolder(parent)
  unlessThere(() => mkdirSync(folder, 0o700))
}

function unlessThere(make: () => void): void {
  try {
    make()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
