/** How a call failed that threw: an answer, a lost answer, or a request that never left. */
export type Failure = 'answered' | 'lost' | 'unsent'

/** JSON-RPC codes that SDK 1 gives to errors of its own (types.js, ErrorCode). */
const CONNECTION_CLOSED = -32000
const REQUEST_TIMEOUT = -32001

/**
 * Reads what `callTool` of either SDK threw. What is not known to be an answer counts as a lost one.
 * A request to a closed port, or on a client that is not connected, has not left (SDK 2: NOT_CONNECTED).
 */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return 'lost'
  const { code } = error as { code?: unknown }
  const { status } = ((error as { data?: unknown }).data ?? {}) as { status?: unknown }
  if (error.message === 'Not connected' || code === 'NOT_CONNECTED' || isRefused(error)) return 'unsent'
  if (error.name === 'UnauthorizedError') return 'answered'
  const http = typeof status === 'number' ? status : isHttpStatus(code) ? code : undefined
  // A server that could not, or not in time: it may have acted before it said so. 404 ends a session, and ran nothing.
  if (http !== undefined) return http >= 500 || http === 408 ? 'lost' : 'answered'
  if (typeof code !== 'number') return 'lost'
  return code === CONNECTION_CLOSED || code === REQUEST_TIMEOUT ? 'lost' : 'answered'
}

const isHttpStatus = (code: unknown): code is number => typeof code === 'number' && code >= 100 && code <= 599

const UNSENT_CODES: readonly unknown[] = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']

function isRefused(error: unknown): boolean {
  let current: unknown = error
  for (let depth = 0; depth < 8 && current instanceof Error; depth += 1) {
    if (UNSENT_CODES.includes((current as { code?: unknown }).code)) return true
    current = current.cause
  }
  return false
}
