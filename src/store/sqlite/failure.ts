import { OnefoldError, type ErrorCode } from '../../error/index.ts'

/** What went wrong in the worker, in a form that can be sent to the caller. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  /** `no`: certainly not written; `unknown`: a commit failed in a way that may still survive a crash. */
  readonly applied: 'no' | 'unknown'
  /** True when the connection is not to be used any more. */
  readonly broken: boolean
}

/** Primary result codes, https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const READ_ONLY = 8
const IO_ERROR = 10
const CORRUPT = 11
const FULL = 13
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26

/** Codes that say something about the file or the disk and not about one statement. */
const OF_THE_FILE: ReadonlySet<number> = new Set([
  BUSY,
  LOCKED,
  READ_ONLY,
  IO_ERROR,
  CORRUPT,
  FULL,
  CANNOT_OPEN,
  NOT_A_DATABASE,
])

/** The primary result code of an SQLite error; 0 for another one. */
export function sqliteCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' ? code & 0xff : 0
}

/** Another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === BUSY || code === LOCKED
}

/** The trouble is the file's or the disk's: every other write of the batch would meet it too. */
export function concernsFile(error: unknown): boolean {
  return error instanceof FailureError || OF_THE_FILE.has(sqliteCode(error))
}

/** A {@link Failure} on its way up. */
export class FailureError extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** Refuses a file that must not be served. */
export function unsafe(message: string): FailureError {
  return new FailureError({
    code: 'STORE_UNSAFE',
    message: `${message} No effect was started.`,
    retryable: false,
    applied: 'no',
    broken: true,
  })
}

/** Says that the store cannot be used now. */
export function unavailable(message: string, options: { retryable?: boolean; broken?: boolean } = {}): FailureError {
  return new FailureError({
    code: 'STORE_UNAVAILABLE',
    message: `${message} Nothing was written.`,
    retryable: options.retryable ?? true,
    applied: 'no',
    broken: options.broken ?? false,
  })
}

/** What a caller is told who waited for the lock for too long. */
export function busyFailure(path: string): Failure {
  return unavailable(`Another process held the ledger ${path} locked for too long. Try again.`).failure
}

/** Reads an error thrown by SQLite or the file system. `path` is named in the text. */
export function failureOf(error: unknown, path: string, applied: Failure['applied'] = 'no'): Failure {
  if (error instanceof FailureError) return error.failure
  const detail = error instanceof Error ? error.message : String(error)
  const end = applied === 'no' ? 'Nothing was written.' : 'Whether this step was written is not known: read it again.'
  const failure = (message: string, options: Partial<Failure>): Failure => ({
    code: 'STORE_UNAVAILABLE',
    message: `${message} ${end}`,
    retryable: true,
    applied,
    broken: false,
    ...options,
  })
  switch (sqliteCode(error)) {
    case BUSY:
    case LOCKED:
      return failure(`Another process holds the ledger ${path} locked. Try again.`, {})
    case READ_ONLY:
      return failure(
        `The ledger ${path} cannot be written (${detail}): give this user write access to the file and its directory.`,
        {
          broken: true,
        },
      )
    case IO_ERROR:
      return failure(`The disk under the ledger ${path} failed (${detail}).`, { broken: true })
    case FULL:
      return failure(`The disk under the ledger ${path} is full: make room.`, {})
    case CANNOT_OPEN:
      return failure(`The ledger ${path} cannot be opened (${detail}): check the path and its permissions.`, {
        broken: true,
      })
    case CORRUPT:
      return failure(`The ledger ${path} is damaged (${detail}): restore a backup, keep the damaged file.`, {
        code: 'STORE_UNSAFE',
        retryable: false,
        broken: true,
      })
    case NOT_A_DATABASE:
      return failure(`${path} is not an SQLite database: name another path for the ledger.`, {
        code: 'STORE_UNSAFE',
        retryable: false,
        broken: true,
      })
    default:
      return failure(`The ledger ${path} refused a step (${detail}).`, { retryable: false })
  }
}

/** The error that the caller sees. `effect` is none: no effect is started on a store that did not answer. */
export function errorOf(failure: Failure): OnefoldError {
  return new OnefoldError(failure.code, failure.message, {
    effect: 'none',
    retryable: failure.retryable,
    details: { applied: failure.applied },
  })
}
