import { keepNewest, type Guard } from '../../engine/index.ts'
import { llmFetch, type LlmFetchOptions } from '../../llm/index.ts'

/** An undeclared tool's answer of which nobody knows yet whether the model has seen it. */
interface Answer {
  readonly key: string
  readonly tenant: string
}

/** Answers that wait for evidence, by the framework's name of the call. Bounded; an answer that is forgotten replays. */
const waiting = new WeakMap<Guard, Map<string, Answer>>()
const KEPT = 10_000

/** An answer of an undeclared tool went back under this call id. */
export function answerGiven(guard: Guard, callId: string, answer: Answer): void {
  const answers = waiting.get(guard) ?? new Map<string, Answer>()
  waiting.set(guard, answers)
  keepNewest(answers, callId, answer, KEPT)
}

/**
 * Evidence of delivery (protocol.md section 8): a later model request holds the results of these calls. Resolves when
 * the ledger has it; what it cannot take is no evidence, and an equal call then replays.
 */
export async function resultsSeen(guard: Guard, callIds: Iterable<string>): Promise<void> {
  const answers = waiting.get(guard)
  if (answers === undefined || answers.size === 0) return
  for (const callId of callIds) {
    const answer = answers.get(callId)
    if (answer === undefined) continue
    answers.delete(callId)
    await guard.internals.undeclared.deliver(answer.key, answer.tenant, 'a later model request').catch(() => undefined)
  }
}

/**
 * `llmFetch` that tells which results the model was shown, once it has answered.
 * @param resultsIn the calls whose results a request's body holds
 */
export const evidenceFetch = (
  guard: Guard,
  options: LlmFetchOptions,
  resultsIn: (body: unknown) => readonly string[],
): typeof fetch =>
  llmFetch(guard, {
    ...options,
    onAnswered: async (body) => {
      await resultsSeen(guard, resultsIn(body))
      await options.onAnswered?.(body)
    },
  })
