import type { IncomingMessage } from 'node:http'
import { keepNewest } from '../../engine/index.ts'
import type { Answer } from '../exchange/index.ts'

/**
 * What pages of other origins may read (Fetch, CORS protocol). That is the service's to say, which has not seen what the
 * gateway answers itself; so the gateway says what the service said last to that page at that path, in the answer to a
 * preflight or any other.
 */
export interface Pages {
  /** The service has answered this request. */
  heard(incoming: IncomingMessage, headers: Answer['headers']): void
  /** The answer as the page that asks is given it. */
  shown(incoming: IncomingMessage, answer: Answer): Answer
}

const KEPT = 10_000
const ORIGIN = 'access-control-allow-origin'
const CREDENTIALS = 'access-control-allow-credentials'

/** What a page needs of our headers to go on; the rest stands in the body. */
const OURS = 'idempotency-key, idempotent-replayed, onefold-notice, onefold-outcome, onefold-ticket, retry-after'

export function createPages(): Pages {
  const known = new Map<string, Answer['headers']>()
  return {
    heard(incoming, headers) {
      const { origin } = incoming.headers
      if (origin === undefined) return
      const allowed = headers.find(([name]) => name === ORIGIN)?.[1]
      if (allowed !== '*' && allowed !== origin) return
      const told = headers.filter(([name]) => name === ORIGIN || name === CREDENTIALS)
      keepNewest(known, nameOf(incoming, origin), told, KEPT)
    },
    shown(incoming, answer) {
      const { origin } = incoming.headers
      const told = origin === undefined ? undefined : known.get(nameOf(incoming, origin))
      if (told === undefined) return answer
      // Of a replay, those of the page that asked first.
      const others = answer.headers.filter(([name]) => name !== ORIGIN && name !== CREDENTIALS)
      return {
        ...answer,
        headers: [...others, ...told, ['access-control-expose-headers', OURS], ['vary', 'Origin']],
      }
    },
  }
}

const nameOf = ({ url = '' }: IncomingMessage, origin: string): string => `${origin}\n${url.split('?', 1)[0]}`
