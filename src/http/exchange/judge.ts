import type { ErrorMapping } from '../../contract/index.ts'
import { saysDoubt } from '../../downstream/index.ts'
import { AnsweredError } from '../../engine/index.ts'
import type { Answer } from './answer.ts'
import { plainText } from './plain-text.ts'

/** How an operator reads an answer: a status, or a piece of the body's text. */
export interface DeclaredError {
  readonly match: string | number
  readonly effect: 'none' | 'done' | 'unknown'
}

const answers = new WeakMap<object, Answer>()

/** The answer inside an error of an attempt; undefined when there was none. Not stored with the error. */
export const answerIn = (error: unknown): Answer | undefined =>
  typeof error === 'object' && error !== null ? answers.get(error) : undefined

/** An answer below 500 that is no success: the server has read the request and said something about it. */
class RefusingAnswer extends AnsweredError {
  readonly code: string
  constructor(answer: Answer) {
    // What the ledger keeps of a refusal is its status; the answer itself is told once, to its own caller.
    const kept = { status: answer.status }
    super(`answered ${answer.status}`, kept)
    this.code = `HTTP_${answer.status}`
    answers.set(this, answer)
    answers.set(kept, answer)
  }
}

/** An answer of 500 and more, which says nothing about the effect (a 504 may come after it). */
class FailingAnswer extends Error {
  override readonly name = 'FailingAnswer'
  readonly status: number
  constructor(answer: Answer) {
    super(`answered ${answer.status}`)
    this.status = answer.status
    answers.set(this, answer)
  }
}

/**
 * What an answer says about the effect (protocol.md section 8): 2xx, and the redirects 302 and 303 by which forms are
 * answered, are successes unless the operator reads their status otherwise (302 leads to a log-in too), and returned; so
 * is what the operator reads as done and is no doubt of an Onefold behind this one. Everything else is thrown and read by
 * {@link errorMappings}.
 */
export function judge(answer: Answer, declared: readonly DeclaredError[]): Answer {
  const { status } = answer
  if (!isSuccess(status) && isDoubtful(answer)) throw new RefusingAnswer(answer)
  const said = declared.find(({ match }) => fits(answer, match))
  if (said === undefined ? isSuccess(status) : said.effect === 'done') return answer
  throw status >= 500 ? new FailingAnswer(answer) : new RefusingAnswer(answer)
}

/** Whether an answer of this status is a success, whatever it holds: what it means is known at its head. */
export const isSuccessHere = (status: number, declared: readonly DeclaredError[]): boolean =>
  isSuccess(status) && (declared.find(({ match }) => match === status)?.effect ?? 'done') === 'done'

const isSuccess = (status: number): boolean => (status >= 200 && status < 300) || status === 302 || status === 303

/**
 * Refusals of the request itself: it was read and not carried out (RFC 9110 sections 15.5.1, 15.5.21), or it is to be
 * made elsewhere with the same method (sections 15.4.2, 15.4.8, 15.4.9).
 */
const REFUSALS = new Set([301, 307, 308, 400, 422])

/**
 * How answers that are no success are read: the doubt of an Onefold behind this one, what the operator says, then RFC
 * 9110. Everything else is in doubt. That doubt comes first: read as a refusal, its 422 would let the request be made
 * again as new work, under another key.
 */
export function errorMappings(declared: readonly DeclaredError[] = []): readonly ErrorMapping[] {
  return [
    { match: (subject) => isDoubtful(answerIn(subject)), effect: 'unknown' },
    ...declared.map(({ match, effect }): ErrorMapping => ({
      match: (subject) => {
        const answer = answerIn(subject)
        return answer !== undefined && fits(answer, match)
      },
      effect,
    })),
    { match: (subject) => REFUSALS.has(statusOf(subject) ?? 0), effect: 'none' },
  ]
}

const isDoubtful = (answer: Answer | undefined): boolean =>
  answer?.headers.some(([name, value]) => name === 'onefold-outcome' && saysDoubt(value)) === true

function statusOf(subject: unknown): number | undefined {
  const status = typeof subject === 'object' && subject !== null ? (subject as { status?: unknown }).status : undefined
  return typeof status === 'number' ? status : undefined
}

/** A status equals; text occurs in the body, but of a success, where it may be what was asked for. */
function fits(answer: Answer, match: string | number): boolean {
  if (typeof match === 'number') return answer.status === match
  return match !== '' && !isSuccess(answer.status) && plainText(answer)?.includes(match) === true
}
