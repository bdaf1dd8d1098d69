import { isOnefoldError } from '../../error/index.ts'
import { UnsentError } from '../../engine/index.ts'
import type { Answer } from './answer.ts'
import type { Told } from './exchange.ts'
import { problemAnswer, problemOf } from './problem.ts'
import type { ProfileName } from './profile.ts'

type Header = readonly [name: string, value: string]

/** What is said beside an answer: how it came about, and by which key. */
export function wireHeaders(told: Told, sentKey: string | undefined): readonly Header[] {
  const headers: Header[] = [['onefold-outcome', told.status]]
  if (sentKey !== undefined) headers.push(['idempotency-key', sentKey])
  if (told.status === 'replayed' || told.status === 'joined') headers.push(['idempotent-replayed', 'true'])
  if (told.ticket !== undefined && told.status === 'in-doubt') headers.push(['onefold-ticket', told.ticket])
  if (told.notice !== undefined && told.status === 'replayed') headers.push(['onefold-notice', told.notice])
  if (told.occurrence > 1) headers.push(['onefold-occurrence', String(told.occurrence)])
  if (!told.recorded) headers.push(['onefold-recorded', 'false'])
  return headers
}

/** The whole answer for a request that came to something. Headers of ours replace equal ones of the service. */
export function toldResponse(told: Told, sentKey: string | undefined): Answer {
  const ours = wireHeaders(told, sentKey)
  const names = new Set(ours.map(([name]) => name))
  const headers = told.answer.headers.filter(([name]) => !names.has(name))
  return { ...told.answer, headers: [...headers, ...ours] }
}

/** The whole answer for a request that threw. */
export function errorResponse(profile: ProfileName, error: unknown, sentKey: string | undefined): Answer {
  const unsent = isOnefoldError(error) && error.code === 'REJECTED' && error.cause instanceof UnsentError
  const problem = problemOf(error)
  const answer = problemAnswer(profile, unsent ? { ...problem, problem: 'UPSTREAM_DOWN' } : problem)
  // What another version of the route has recorded may have happened: to a caller that is an Onefold too, no refusal.
  const mayHaveActed = problem.problem === 'CONTRACT_SUPERSEDED' && problem.effect !== 'none'
  const status = problem.problem === 'IN_DOUBT' || mayHaveActed ? 'in-doubt' : 'rejected'
  return {
    ...answer,
    headers: [
      ...answer.headers,
      ['onefold-outcome', status],
      ...(sentKey === undefined ? [] : [['idempotency-key', sentKey] as const]),
    ],
  }
}

/** The key to echo: as it was sent, if it can stand in a header. */
export function echoedKey(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 600) return undefined
  for (let at = 0; at < header.length; at += 1) {
    const code = header.charCodeAt(at)
    if (code < 0x20 || code > 0x7e) return undefined
  }
  return header
}

/** What is told where `who` could not be reached, or broke off, for something that is no guarded write. */
export function downAnswer(profile: ProfileName, who: string, error: unknown): Answer {
  const told =
    error instanceof UnsentError
      ? { detail: `${error.message}.` }
      : ({ detail: `${who} broke off before it answered.`, status: 502, effect: 'unknown' } as const)
  return problemAnswer(profile, { problem: 'UPSTREAM_DOWN', retryAfterMs: 1000, ...told })
}
