import type { ErrorCode, OnefoldError } from '../../error/index.ts'
import { COMPLETE, ERROR, errorLine, RECEIPT, resultLine } from './answers.ts'

/**
 * JSON-RPC codes of our errors, outside the range that JSON-RPC and MCP reserve (-32768 to -32000). An input that has
 * no canonical form is "invalid params" like any other.
 */
export const WIRE_CODES: Readonly<Record<ErrorCode, number>> = {
  INPUT_INVALID: -32602,
  KEY_MISSING: -31001,
  KEY_INVALID: -31002,
  KEY_REUSED: -31003,
  IN_PROGRESS: -31004,
  IN_DOUBT: -31005,
  REJECTED: -31006,
  RESULT_EXPIRED: -31007,
  COMPENSATED: -31008,
  STORE_UNAVAILABLE: -31009,
  STORE_UNSAFE: -31010,
  CONTRACT_INVALID: -31011,
  CONTRACT_SUPERSEDED: -31012,
  DIVERGED: -31013,
  RECURSIVE_OPERATION: -31014,
  RETRY_BUDGET_EXHAUSTED: -31015,
  HELD: -31016,
  CANCELLED: -31017,
  CONFIG_INVALID: -31018,
}

/** JSON-RPC codes of what only a proxy tells. */
export const PROXY_CODES = { UPSTREAM_DIED: -31100, ANSWER_FORGOTTEN: -31101 } as const

/**
 * What a model has to read before it calls again. Most clients show a model results and swallow protocol errors, so
 * these are told as a result with `isError`.
 */
const FOR_THE_MODEL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'IN_DOUBT',
  'IN_PROGRESS',
  'KEY_REUSED',
  'RESULT_EXPIRED',
  'COMPENSATED',
  'CONTRACT_SUPERSEDED',
  'DIVERGED',
  'HELD',
  'REJECTED',
])

/** The structured form of an error, the same in a result's `_meta` and in a protocol error's `data`. */
export function errorData(error: OnefoldError): Readonly<Record<string, unknown>> {
  const { path, fields, reason } = error.details
  return {
    type: error.code,
    effect: error.effect,
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.ticket === undefined ? {} : { ticket: error.ticket }),
    ...(error.key === undefined || error.key === '' ? {} : { key: error.key }),
    ...(path === undefined ? {} : { path }),
    ...(fields === undefined ? {} : { fields }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** One line that tells a client what became of its call. */
export function errorAnswer(id: string, error: OnefoldError, status: string): string {
  const data = errorData(error)
  if (!FOR_THE_MODEL.has(error.code)) {
    return errorLine(id, JSON.stringify({ code: WIRE_CODES[error.code], message: error.message, data }))
  }
  const { key, ticket } = data
  return resultLine(
    id,
    JSON.stringify({
      content: [{ type: 'text', text: error.message }],
      isError: true,
      resultType: COMPLETE,
      _meta: { [ERROR]: data, [RECEIPT]: { key, ticket, status } },
    }),
  )
}
