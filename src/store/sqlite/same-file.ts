import { statSync } from 'node:fs'
import { errorOf, unavailable } from './failure.ts'

/** What tells a file, its log and the index of that from others that lie at the same paths later. */
export interface FileId {
  readonly dev: number
  readonly ino: number
  /** Of `-wal` and `-shm`. */
  readonly log: number | undefined
  readonly index: number | undefined
}

/** What became of a file while it was open: moved away, deleted or replaced; or the log beside it was. */
export type Gone = 'file' | 'log'

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino

/** To be asked for once the connection has read something: its log is there then, and stays while it is open. */
export function fileId(path: string): FileId {
  const { dev, ino } = statSync(path)
  return { dev, ino, log: inodeOf(`${path}-wal`), index: inodeOf(`${path}-shm`) }
}

/**
 * What is gone of what was opened: whoever has it open can still write to it, and loses that. SQLite removes the log when
 * its last user goes, and whoever has lost the locks counts for nobody: a process loses them by closing the file once
 * more, as it does that copies it (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
export function goneOf(path: string, { dev, ino, log, index }: FileId): Gone | undefined {
  try {
    const now = statSync(path, { throwIfNoEntry: false })
    if (now?.ino !== ino || now.dev !== dev) return 'file'
    return inodeOf(`${path}-wal`) === log && inodeOf(`${path}-shm`) === index ? undefined : 'log'
  } catch {
    return 'file'
  }
}

export const goneMessage = (path: string, gone: Gone): string =>
  gone === 'file'
    ? `The ledger ${path} was moved or replaced while it was open.`
    : `The log of the ledger ${path} (-wal and -shm) was removed while this process had it open, so that others no longer see its steps: end this process and start it again. Somebody deleted the log, or this process itself read or copied the file: copy a ledger by "sqlite3 ${path} '.backup COPY'".`

/** What the stores of this thread read, and where: while they do, nobody who minds their locks removes its log. */
const held = new Map<FileId, string>()

export const hold = (path: string, file: FileId): void => void held.set(file, path)
export const letGo = (file: FileId | undefined): void => void (file !== undefined && held.delete(file))

/**
 * To be asked before a file is opened. SQLite has one index of a file's log in a process: beside a store whose log is gone
 * a new connection would go by the old one's, and read what others wrote as damage, or not at all.
 * @throws OnefoldError STORE_UNAVAILABLE
 */
export function assertNoLogGone(path: string): void {
  for (const [file, where] of held)
    if (where === path && goneOf(path, file) === 'log')
      throw errorOf(unavailable(goneMessage(path, 'log'), { retryable: false }).failure)
}
