import { AnsweredError, type Outcome } from '../../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../../error/index.ts'

/** What a framework's tool hands back, and the outcome that it comes from (undefined for an error that was answered). */
export interface Told {
  readonly value: unknown
  readonly outcome: Outcome | undefined
}

/** LangChain's own sign (langchain/dist/errors: an own property that its retry loops look at). */
const LANGCHAIN_RETRYABLE = Symbol.for('langchain.errors.retryable')

/**
 * What a call is told. An error that the downstream answered is handed back as it was answered; an error that the
 * contract reads as done, or that proves that nothing happened, is thrown as the tool threw it.
 */
export async function forFramework(work: Promise<Outcome>): Promise<Told> {
  let outcome: Outcome
  try {
    outcome = await work
  } catch (error) {
    if (!isOnefoldError(error)) throw error
    const { cause } = error
    if (cause instanceof AnsweredError && (error.code === 'IN_DOUBT' || error.code === 'REJECTED'))
      return { value: cause.answer, outcome: undefined }
    // oxlint-disable-next-line typescript/only-throw-error -- it is thrown on as the tool threw it
    if (error.code === 'REJECTED' && cause !== undefined) throw cause
    throw withStopSigns(error)
  }
  if (outcome.status === 'committed' && outcome.error !== undefined) {
    if (outcome.error instanceof AnsweredError) return { value: outcome.error.answer, outcome }
    // oxlint-disable-next-line typescript/only-throw-error -- it is thrown on as the tool threw it
    throw outcome.error
  }
  if (outcome.missing !== undefined) {
    throw withStopSigns(
      new OnefoldError(
        'RESULT_EXPIRED',
        `It was done, but its result is missing: ${outcome.missing}. Nothing was executed again; do not call it again.`,
        { effect: 'done', key: outcome.key, ticket: outcome.ticket },
      ),
    )
  }
  return { value: outcome.value, outcome }
}

/** True where the same call may be made again: what a framework may say "please try again" to. */
export const mayRepeat = (error: unknown): boolean => !isOnefoldError(error) || error.retryable

/**
 * Signs on an error for retry loops: LangChain and LangGraph then run the tool once. 409 is what LangGraph's default
 * `retryOn` stops at; it is `status` and never `statusCode`, which the AI SDK's MCP client retries.
 */
function withStopSigns(error: OnefoldError): OnefoldError {
  if (error.retryable) return error
  for (const [name, value] of [
    [LANGCHAIN_RETRYABLE, false],
    ['status', 409],
  ] as const)
    Object.defineProperty(error, name, { value, configurable: true, writable: true, enumerable: false })
  return error
}

/** What the model is told beside a result: that it is not yet confirmed, or that it is an earlier one. */
export function noteFor({ outcome }: Told, notice: 'model' | undefined): string | undefined {
  if (outcome === undefined) return undefined
  if (outcome.status === 'accepted')
    return `This was accepted and is not yet confirmed: do not report it as done, and do not call it again. It is being verified (ticket ${outcome.ticket}).`
  return notice === 'model' ? outcome.notice : undefined
}
