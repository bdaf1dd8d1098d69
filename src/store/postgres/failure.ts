import { OnefoldError, isOnefoldError, type ErrorCode } from '../../error/index.ts'

/** Whether a statement that failed may have been carried out. */
export type Applied = 'no' | 'unknown'

/** Codes of https://www.postgresql.org/docs/current/errcodes-appendix.html by what they mean to a ledger. */
const NOT_ALLOWED = new Set(['42501'])
const WRONG_LOGIN = new Set(['28P01', '28000'])
const NO_DATABASE = new Set(['3D000'])
const FULL = new Set(['53300'])
const NO_LEDGER = new Set(['3F000', '42P01', '42883', '42703'])
/** Undone by the server for reasons of the moment: deadlock, serialization, lock and statement deadlines, no room. */
const PASSING = new Set(['40001', '40P01', '55P03', '57014', '53100', '53200', '53300', '53400', '57P03', '25P03'])
const READ_ONLY = new Set(['25006'])
/** A statement that was prepared by name is not there, or another one of that name is. */
const UNPREPARED = new Set(['26000', '42P05'])
/** The mark of the engine's transaction was gone at its end. */
const ESCAPED = 'OF004'
const WRONG_ISOLATION = 'OF002'
/** At the end of the engine's transaction `meta` has no row, so that nothing was recorded in it. */
const NO_META = 'OF005'
/** The record is not what it was; raised by the function `write` under `strict`. */
const CHANGED = 'OF001'

/** The server's own code; undefined for trouble on the way to it, whose names, as EPIPE, have no digit. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Trouble of connections, and an operator's interruption, which may reach the statement after a COMMIT. */
const INTERRUPTED = /^(?:08|57)/

/**
 * True when the server said that a statement failed: it was undone, and the connection lives. Anything worse than an
 * error ends the connection, and may end it after a commit. A server that says ERROR in another language is not believed:
 * the record is then read again.
 */
export function wasRefused(error: unknown): boolean {
  const code = codeOf(error)
  return (
    code !== undefined && (error as { readonly severity?: unknown }).severity === 'ERROR' && !INTERRUPTED.test(code)
  )
}

/** Told at the beginning of a connection alone, and fatal to it. */
const wasTurnedAway = (code = ''): boolean => WRONG_LOGIN.has(code) || NO_DATABASE.has(code) || FULL.has(code)

export const isChanged = (error: unknown): boolean => codeOf(error) === CHANGED

/** Reads an error of the client or the server. @param what the ledger, for the text */
export function errorOf(error: unknown, what: string): OnefoldError {
  if (isOnefoldError(error)) return error
  const code = codeOf(error)
  const detail = error instanceof Error ? error.message : String(error)
  const applied: Applied = wasRefused(error) || wasTurnedAway(code) ? 'no' : 'unknown'
  const make = (name: ErrorCode, message: string, retryable: boolean): OnefoldError =>
    new OnefoldError(
      name,
      `${message} ${applied === 'no' ? 'Nothing was written.' : 'Whether this step was written is not known: read it again.'}`,
      { retryable, details: { applied, ...(code === undefined ? {} : { sqlstate: code }) }, cause: error },
    )
  if (code === undefined) return make('STORE_UNAVAILABLE', `${what} cannot be reached (${detail}).`, true)
  if (WRONG_LOGIN.has(code))
    return make('STORE_UNAVAILABLE', `${what} refused the login (${detail}): check user and password.`, false)
  if (NO_DATABASE.has(code))
    return make('STORE_UNAVAILABLE', `${what} has no such database (${detail}): check the URL.`, false)
  if (NOT_ALLOWED.has(code))
    return make(
      'STORE_UNSAFE',
      `The role may not do what a ledger needs in ${what} (${detail}): run "onefold ledger migrate --role NAME" as the owner, and keep row level security off for its tables.`,
      false,
    )
  if (NO_LEDGER.has(code))
    return make(
      'STORE_UNSAFE',
      `There is no ledger of this version in ${what} (${detail}): run "onefold ledger migrate".`,
      false,
    )
  if (READ_ONLY.has(code))
    return make(
      'STORE_UNAVAILABLE',
      `${what} takes no writes (${detail}): connect to the primary, not to a reader endpoint.`,
      true,
    )
  if (UNPREPARED.has(code))
    return make(
      'STORE_UNAVAILABLE',
      `${what} does not keep prepared statements (${detail}), as behind a pooler in transaction mode: give postgresStore prepare: false.`,
      false,
    )
  if (code === ESCAPED) {
    return new OnefoldError(
      'CONTRACT_INVALID',
      `The tool ended the transaction that the engine had begun in ${what}. What it did before may have been committed without its record: a transactional tool must leave COMMIT and ROLLBACK to the engine.`,
      { effect: 'unknown', cause: error },
    )
  }
  if (code === NO_META) return withoutMeta(what)
  if (code === WRONG_ISOLATION)
    return make(
      'STORE_UNSAFE',
      `${what} begins transactions with another isolation level than read committed: set default_transaction_isolation to it for this role.`,
      false,
    )
  if (applied === 'unknown' || PASSING.has(code) || code.startsWith('53'))
    return make('STORE_UNAVAILABLE', `${what} could not take a step now (${detail}). Try again.`, true)
  return make('STORE_UNAVAILABLE', `${what} refused a step (${detail}).`, false)
}

/** As the server says it at a commit. */
export const endedByTool = (): Error =>
  Object.assign(new Error('the tool ended the transaction of the engine'), { code: ESCAPED, severity: 'ERROR' })

export const unsafe = (message: string): OnefoldError =>
  new OnefoldError('STORE_UNSAFE', `${message} Nothing was started.`)

/** Without the row of `meta` no step finds anything to work on. @param what the ledger, for the text */
export const withoutMeta = (what: string): OnefoldError =>
  unsafe(
    `The table meta of ${what} is gone, or the row in it, as where a dump was restored in part: restore it from the same backup. If there is none, make a ledger in another schema and say "onefold ledger lost" there before anything is started.`,
  )

export const notOpen = (): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', 'The Postgres ledger is not open. Nothing was done: call open() first.', {
    retryable: true,
  })
