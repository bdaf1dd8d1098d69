import type { EffectKnowledge, ErrorCode } from './codes.ts'

/** What an {@link OnefoldError} carries beside its message. */
export interface OnefoldErrorOptions {
  /** @default 'none' */
  readonly effect?: EffectKnowledge
  /** True where the same call may be made again and may then succeed. @default false */
  readonly retryable?: boolean
  /** How long a caller should wait before it tries again, where waiting can help. */
  readonly retryAfterMs?: number
  /** The operation's key. */
  readonly key?: string
  /** The name under which a person settles the doubt (`onefold ledger resolve TICKET`). */
  readonly ticket?: string
  /** Facts for programs: field names, paths, times. Never a stored result, never an argument's value. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * What retry engines read on an error to let it be, where repeating cannot help: LangChain's mark (@langchain/core
 * `errors`: `getRetryable`), and the status that LangGraph's default `retryOn` and LangChain's AsyncCaller never repeat.
 * `status` and not `statusCode`, which the AI SDK's MCP client would repeat on 409. Not enumerable, so not part of what is
 * stored or shown.
 */
const STOP_SIGNS: readonly (readonly [string | symbol, unknown])[] = [
  [Symbol.for('langchain.errors.retryable'), false],
  ['status', 409],
]

/**
 * The one error class of this package. `message` says what happened, what became of the effect
 * and what to do next; `code` is stable; `effect` is the part a program must not ignore.
 */
export class OnefoldError extends Error {
  override readonly name = 'OnefoldError'
  readonly code: ErrorCode
  readonly effect: EffectKnowledge
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly key: string | undefined
  readonly ticket: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: OnefoldErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.effect = options.effect ?? 'none'
    this.retryable = options.retryable ?? false
    this.retryAfterMs = options.retryAfterMs
    this.key = options.key
    this.ticket = options.ticket
    this.details = options.details ?? {}
    if (!this.retryable)
      for (const [sign, value] of STOP_SIGNS)
        Object.defineProperty(this, sign, { value, configurable: true, writable: true })
  }
}

/** True for an {@link OnefoldError}, also one from another copy of this package. */
export function isOnefoldError(error: unknown): error is OnefoldError {
  return error instanceof Error && error.name === 'OnefoldError' && 'code' in error && 'effect' in error
}

/** True when a step of the ledger failed so that nobody knows whether it was applied, or it could not be asked for. */
export function isStoreUnavailable(error: unknown): error is OnefoldError {
  return isOnefoldError(error) && error.code === 'STORE_UNAVAILABLE'
}
