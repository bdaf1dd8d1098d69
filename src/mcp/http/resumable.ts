import { keepNewest } from '../../engine/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { PROXY_CODES } from '../proxy/wire-errors.ts'
import type { Who } from './backend.ts'
import type { Relay } from './relay.ts'

/** The answer to one request. */
export interface ResumableAnswer {
  readonly who: Who
  /** JSON text of the request's id. */
  readonly id: string
  readonly relay: Relay
}

/**
 * Answers that clients may come back for, by the ids of their events. They are kept in memory, so many bytes in all; the
 * oldest are forgotten, and whoever comes back for one is told so.
 */
export interface Resumable {
  /** So many bytes more are kept of an answer, under the id of an event where they are one. */
  keep(answer: ResumableAnswer, bytes: number, event: string | undefined): void
  of(who: Who, event: string): Relay | undefined
}

export function createResumable(mostBytes: number): Resumable {
  const known = new Map<string, Relay>()
  /** The oldest first. */
  const answers = new Map<Relay, { readonly id: string; readonly bytes: number }>()
  let total = 0
  const nameOf = ({ tenant, principal, session }: Who, event: string): string =>
    JSON.stringify([tenant, principal, session, event])
  return {
    keep({ who, id, relay }, bytes, event) {
      if (event !== undefined) keepNewest(known, nameOf(who, event), relay, MOST_EVENTS)
      answers.set(relay, { id, bytes: (answers.get(relay)?.bytes ?? 0) + bytes })
      total += bytes
      for (const [oldest, its] of answers) {
        if (total <= mostBytes) return
        answers.delete(oldest)
        total -= its.bytes
        oldest.forget(errorLine(its.id, FORGOTTEN))
      }
    },
    of: (who, event) => known.get(nameOf(who, event)),
  }
}

const MOST_EVENTS = 5_000

const FORGOTTEN = JSON.stringify({
  code: PROXY_CODES.ANSWER_FORGOTTEN,
  message:
    'The proxy does not keep the answer to this request any more. Send the request again: what it did is in the ledger, and is not done twice.',
  data: { type: 'ANSWER_FORGOTTEN', effect: 'unknown', retryable: true },
})
