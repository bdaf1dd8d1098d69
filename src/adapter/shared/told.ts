import type { AnsweredError, Outcome } from '../../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../../error/index.ts'
import { Paused } from './pause.ts'

/** What a framework's tool hands back, and the outcome that it comes from (undefined for an error that was answered). */
export interface Told {
  readonly value: unknown
  readonly outcome: Outcome | undefined
}

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
    if (isAnswered(cause) && (error.code === 'IN_DOUBT' || error.code === 'REJECTED'))
      return { value: cause.answer, outcome: undefined }
    if (error.code === 'REJECTED' && cause !== undefined) throw cause instanceof Paused ? cause.cause : cause
    throw error
  }
  // What the framework threw to pause the tool.
  if (outcome.status === 'awaiting-input') throw outcome.value
  if (outcome.status === 'committed' && outcome.error !== undefined) {
    if (isAnswered(outcome.error)) return { value: outcome.error.answer, outcome }
    // oxlint-disable-next-line typescript/only-throw-error -- it is thrown on as the tool threw it
    throw outcome.error
  }
  if (outcome.missing !== undefined) {
    throw new OnefoldError(
      'RESULT_EXPIRED',
      `It was done, but its result is missing: ${outcome.missing}. Nothing was executed again; do not call it again.`,
      { effect: 'done', key: outcome.key, ticket: outcome.ticket },
    )
  }
  return { value: outcome.value, outcome }
}

/** An answered error, also one that comes back from the ledger, where classes are not kept. */
const isAnswered = (error: unknown): error is AnsweredError =>
  error instanceof Error && error.name === 'AnsweredError' && 'answer' in error

/**
 * True for an error whose own text the model must read, with nothing of the framework's beside it: the effect may have
 * happened, or asking again cannot help.
 */
export const isForTheModel = (error: unknown): error is OnefoldError =>
  isOnefoldError(error) && (error.effect !== 'none' || !error.retryable)

/** What the model is told beside a result: that it is not yet confirmed, or that it is an earlier one. */
export function noteFor({ outcome }: Told, notice: 'model' | undefined): string | undefined {
  if (outcome === undefined) return undefined
  if (outcome.status === 'accepted')
    return `This was accepted and is not yet confirmed: do not report it as done, and do not call it again. It is being verified (ticket ${outcome.ticket}).`
  return notice === 'model' ? outcome.notice : undefined
}
