import { currentRun, keepNewest, type Guard } from '../../engine/index.ts'
import { llmFetch, type LlmFetchOptions } from '../../llm/index.ts'

/** An undeclared tool's answer of which nobody knows yet whether the model has seen it. */
interface Answer {
  readonly key: string
  readonly tenant: string
  /** The run that it was given in; undefined outside of one. */
  readonly run: string | undefined
}

/**
 * Answers that wait for evidence, by the framework's name of the call, which is not always one of its own: some providers
 * begin at `call_0` in each conversation. Bounded; an answer that is forgotten replays.
 */
const waiting = new WeakMap<Guard, Map<string, readonly Answer[]>>()
const KEPT = 10_000
const KEPT_OF_ONE_NAME = 100

/** An answer of an undeclared tool went back under this call id. */
export function answerGiven(guard: Guard, callId: string, answer: Answer): void {
  const answers = waiting.get(guard) ?? new Map<string, readonly Answer[]>()
  waiting.set(guard, answers)
  const others = (answers.get(callId) ?? []).filter(({ key }) => key !== answer.key)
  keepNewest(answers, callId, [...others.slice(1 - KEPT_OF_ONE_NAME), answer], KEPT)
}

/**
 * Evidence of delivery (protocol.md section 8): a later model request holds the results of these calls. In a run it is
 * evidence of that run's answers alone. Resolves when the ledger has it; what it cannot take is no evidence, and an equal
 * call then replays.
 */
export async function resultsSeen(guard: Guard, callIds: Iterable<string>): Promise<void> {
  const answers = waiting.get(guard)
  if (answers === undefined || answers.size === 0) return
  const run = currentRun()
  // A model's client may stand outside the run that its tools were bound to.
  const isOurs = (answer: Answer): boolean =>
    run === undefined || (answer.run === run.id && answer.tenant === run.tenant)
  for (const callId of callIds) {
    const found = answers.get(callId)
    if (found === undefined) continue
    const others = found.filter((answer) => !isOurs(answer))
    if (others.length === 0) answers.delete(callId)
    else answers.set(callId, others)
    for (const { key, tenant } of found.filter(isOurs))
      await guard.internals.undeclared.deliver(key, tenant, 'a later model request').catch(() => undefined)
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
