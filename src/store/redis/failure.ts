import { OnefoldError, isOnefoldError, type ErrorCode } from '../../error/index.ts'

/** First words of error replies, https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors. */
const LOGIN = /^(WRONGPASS|NOAUTH|ERR invalid (username-)?password|ERR AUTH)/i
/** Denied to a script, a server of version 7.0 says it without the code. */
const RIGHT = /(^|\s)NOPERM|user executing the script can't/
const FULL = /(^|\s)OOM /
const READ_ONLY = /(^|\s)READONLY/
const NOT_SAVED = /(^|\s)MISCONF/
/** Renamed (rename-command), or not there on a server that only speaks the protocol. */
const NO_COMMAND = /unknown (redis )?command/i
const KIND = /(^|\s)WRONGTYPE/
const PASSING = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|UNBLOCKED|NOREPLICAS|MOVED|ASK|CROSSSLOT)/
const MOVING = /non local key in a cluster node/

/** It repeats what it was sent, which may be a whole script. */
const MOST_SHOWN = 80

/** True when a partition is not there at all. */
export const isAbsent = (error: unknown): boolean => error instanceof Error && error.message.includes('ONEFOLD_ABSENT')

/** Reads an error of the client or the server. @param what the ledger, for the text */
export function errorOf(error: unknown, what: string, trouble?: string): OnefoldError {
  if (isOnefoldError(error)) return error
  const detail = error instanceof Error ? error.message : String(error)
  const make = (code: ErrorCode, message: string, retryable: boolean, applied: 'no' | 'unknown'): OnefoldError =>
    new OnefoldError(
      code,
      `${message} ${applied === 'no' ? 'Nothing was written.' : 'Whether this step was written is not known: read it again.'}`,
      { retryable, details: { applied }, cause: error },
    )
  const login = LOGIN.test(detail) ? detail : trouble !== undefined && LOGIN.test(trouble) ? trouble : undefined
  if (login !== undefined)
    return make('STORE_UNAVAILABLE', `${what} refused the login (${login}): check user and password.`, false, 'no')
  if (RIGHT.test(detail))
    return make(
      'STORE_UNSAFE',
      `The user may not do what a ledger needs in ${what} (${detail}): see "Rights" in docs/guides/redis.md.`,
      false,
      'no',
    )
  if (NO_COMMAND.test(detail))
    return make(
      'STORE_UNSAFE',
      `The server does not know a command that a ledger needs in ${what} (${detail.slice(0, MOST_SHOWN)}): undo rename-command for those under "Rights" in docs/guides/redis.md, or use another server.`,
      false,
      'no',
    )
  if (KIND.test(detail))
    return make(
      'STORE_UNSAFE',
      `${what} has a key of another program where a ledger's should be (${detail}): choose another prefix.`,
      false,
      'no',
    )
  if (FULL.test(detail)) return make('STORE_UNAVAILABLE', `${what} is full (${detail}): raise maxmemory.`, true, 'no')
  if (READ_ONLY.test(detail))
    return make('STORE_UNAVAILABLE', `${what} is a replica now (${detail}): connect to the primary.`, true, 'no')
  if (NOT_SAVED.test(detail))
    return make('STORE_UNAVAILABLE', `${what} cannot save to its disk (${detail}).`, true, 'no')
  if (PASSING.test(detail) || MOVING.test(detail))
    return make('STORE_UNAVAILABLE', `${what} could not take a step now (${detail}). Try again.`, true, 'unknown')
  const also = trouble === undefined || trouble === detail ? '' : `; ${trouble}`
  return make('STORE_UNAVAILABLE', `${what} cannot be reached (${detail}${also}).`, true, 'unknown')
}

export const unsafe = (message: string): OnefoldError =>
  new OnefoldError('STORE_UNSAFE', `${message} Nothing was started.`)

export const notOpen = (): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', 'The Redis ledger is not open. Nothing was done: call open() first.', {
    retryable: true,
  })

/** @param applied `no` for what was never sent */
export const late = (ms: number, applied: 'no' | 'unknown', trouble: string | undefined): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `The Redis ledger gave no answer within ${ms} ms${trouble === undefined ? '' : ` (${trouble})`}. ${applied === 'no' ? 'Nothing was written.' : 'Whether this step was written is not known: read it again.'}`,
    { retryable: true, details: { applied } },
  )
