import { ticketOf, type Outcome } from '../../engine/index.ts'
import { OnefoldError, isOnefoldError } from '../../error/index.ts'
import { RECEIPT, errorLine, resultLine, withMeta, withText } from './answers.ts'
import { textOfStored } from './call-message.ts'
import { isAnswer } from './refusals.ts'
import type { UpstreamAnswer } from './upstream.ts'
import { errorAnswer } from './wire-errors.ts'

/** What became of an operation, told beside its answer as `_meta["io.onefold/receipt"]`. */
export interface WireReceipt {
  readonly key: string | undefined
  readonly ticket: string | undefined
  readonly status: 'executed' | 'replayed' | 'joined' | 'awaiting-input' | 'in-doubt' | 'rejected'
  readonly attempts?: number
  readonly occurrence?: number
  /** False while the answer is only in the spool of this machine. */
  readonly recorded?: boolean
  readonly notice?: string
  /** An undeclared tool was called again with equal arguments after its answer had arrived. */
  readonly suspectedRepeat?: boolean
}

export interface OutcomeAbout {
  /** The contract wants its notice where the model sees it. */
  readonly toModel: boolean
  readonly undeclared: boolean
  /** True when this very call was sent; else its outcome is that of an earlier one, also where that had to be settled. */
  readonly sent: boolean
}

/** The line for a call that came to an outcome. */
export function outcomeLine(id: string, outcome: Outcome, about: OutcomeAbout): string {
  if (outcome.missing !== undefined) return errorAnswer(id, missing(outcome), 'replayed')
  const receipt = wireReceipt(outcome, about)
  const failed = answerIn(outcome.error)
  if (failed !== undefined) return answerLine(id, failed, receipt)
  const result = textOfStored(outcome.value)
  const told = about.toModel && outcome.notice !== undefined ? withText(result, outcome.notice) : result
  return resultLine(id, withMeta(told, { [RECEIPT]: receipt }))
}

/** The receipt of a call that came to an outcome. */
export function wireReceipt(outcome: Outcome, about: Omit<OutcomeAbout, 'toModel'>): WireReceipt {
  const occurrence = outcome.record?.occurrence ?? 1
  return {
    key: outcome.key,
    ticket: outcome.ticket,
    status:
      outcome.status === 'awaiting-input'
        ? 'awaiting-input'
        : outcome.joined
          ? 'joined'
          : outcome.replayed || !about.sent
            ? 'replayed'
            : 'executed',
    attempts: outcome.attempts,
    ...(occurrence > 1 ? { occurrence } : {}),
    ...(outcome.recorded ? {} : { recorded: false }),
    ...(outcome.notice === undefined ? {} : { notice: outcome.notice }),
    ...(about.undeclared && occurrence > 1 && about.sent ? { suspectedRepeat: true } : {}),
  }
}

/** The line for a call that threw. A caller whose own attempt the server answered gets that answer unchanged. */
export function failureLine(id: string, error: unknown): string {
  if (!isOnefoldError(error)) return errorAnswer(id, unexpected(error), 'in-doubt')
  const status = error.code === 'IN_DOUBT' ? 'in-doubt' : 'rejected'
  const answer = TOLD_AS_ANSWERED.has(error.code) ? answerIn(error.cause) : undefined
  if (answer !== undefined) return answerLine(id, answer, { key: error.key, ticket: ticketFor(error), status })
  return errorAnswer(id, error, status)
}

/** An attempt that the server answered; `IN_PROGRESS` where it refused a later round of questions. */
const TOLD_AS_ANSWERED: ReadonlySet<string> = new Set(['IN_DOUBT', 'REJECTED', 'IN_PROGRESS'])

/** A refusal names no ticket, since nobody has to settle it; its timeline is found by one all the same. */
export const ticketFor = ({
  key,
  ticket,
}: {
  readonly key?: string | undefined
  readonly ticket?: string | undefined
}): string | undefined => ticket ?? (key === undefined || key === '' ? undefined : ticketOf(key))

/** The server's own answer, with the receipt where there is room for one. */
export function answerLine(id: string, answer: UpstreamAnswer, receipt: WireReceipt): string {
  return answer.kind === 'error'
    ? errorLine(id, answer.json)
    : resultLine(id, withMeta(answer.json, { [RECEIPT]: receipt }))
}

/** The server's answer inside an error of an attempt; also one that comes back from the ledger. */
export function answerIn(error: unknown): UpstreamAnswer | undefined {
  const answer = typeof error === 'object' && error !== null ? (error as { answer?: unknown }).answer : undefined
  return isAnswer(answer) ? answer : undefined
}

/** What a caller is told whose server ended under its call. */
export const died = (why: string, tool: string, key: string, ticket: string, settledBy: string): OnefoldError =>
  new OnefoldError(
    'IN_DOUBT',
    `The outcome of ${tool} is unknown: ${why}, and it may have happened. Do not call it again and do not change its arguments. It will be settled ${settledBy}. Ticket ${ticket}.`,
    { effect: 'unknown', key, ticket, details: { reason: 'upstream-died' } },
  )

export const missing = (outcome: Outcome): OnefoldError =>
  new OnefoldError(
    'RESULT_EXPIRED',
    `The operation was done, but its result is missing: ${String(outcome.missing)}. Nothing was executed again.`,
    { effect: 'done', key: outcome.key, ticket: outcome.ticket },
  )

const unexpected = (error: unknown): OnefoldError =>
  new OnefoldError(
    'IN_DOUBT',
    'The proxy failed while it handled this call, and its outcome is unknown. Do not call it again; look into the ledger.',
    {
      effect: 'unknown',
      cause: error,
    },
  )
