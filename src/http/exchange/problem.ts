import { isOnefoldError, type OnefoldError } from '../../error/index.ts'
import { ticketOf } from '../../engine/index.ts'
import type { Answer } from './answer.ts'
import { PROFILES, type ProfileName, type ProblemFacts, type WireProblem } from './profile.ts'

/** Titles are the same for every occurrence of a problem (RFC 9457 section 3.1.3). */
const TITLES: Readonly<Record<WireProblem, string>> = {
  KEY_MISSING: 'Idempotency-Key is missing',
  KEY_INVALID: 'Idempotency-Key is not usable',
  KEY_REUSED: 'Idempotency-Key is already used',
  IN_PROGRESS: 'A request is outstanding for this operation',
  IN_DOUBT: 'The outcome of this operation is unknown',
  REJECTED: 'The operation did not happen',
  RESULT_EXPIRED: 'The operation was done, and its result is no longer kept',
  COMPENSATED: 'The operation was done and undone',
  STORE_UNAVAILABLE: 'The ledger is not available',
  STORE_UNSAFE: 'The ledger is not available',
  CONTRACT_INVALID: 'The route is misconfigured',
  CONTRACT_SUPERSEDED: 'The operation belongs to another version of this route',
  DIVERGED: 'The request differs from the recorded one',
  RECURSIVE_OPERATION: 'The operation was called from inside itself',
  RETRY_BUDGET_EXHAUSTED: 'Too many attempts',
  HELD: 'The operation waits for a confirmation',
  CANCELLED: 'The request was given up',
  INPUT_INVALID: 'The request is not usable',
  CONFIG_INVALID: 'The gateway is misconfigured',
  TOO_LARGE: 'The request is too large',
  TOO_MANY: 'Too many duplicates',
  BAD_REQUEST: 'The request is not usable',
  FORBIDDEN: 'The request is refused',
  UPSTREAM_DOWN: 'The service cannot be reached',
}

/** A problem before it has a form. */
export interface Problem {
  readonly problem: WireProblem
  readonly detail: string
  /** @default the profile's status for the problem */
  readonly status?: number
  /** @default 'none' */
  readonly effect?: 'done' | 'none' | 'unknown'
  readonly ticket?: string | undefined
  readonly fields?: readonly string[] | undefined
  /** Where waiting helps: becomes `Retry-After`. Without it the common SDKs are told not to retry. */
  readonly retryAfterMs?: number | undefined
}

/** The answer that tells a problem in a profile's form. */
export function problemAnswer(profile: ProfileName, problem: Problem): Answer {
  const { status, body, contentType } = shaped(profile, problem)
  return {
    status,
    headers: [
      ['content-type', contentType],
      ['cache-control', 'no-store'],
      ...retryHeaders(problem.retryAfterMs),
      ...(problem.ticket === undefined ? [] : [['onefold-ticket', problem.ticket] as const]),
    ],
    body,
  }
}

function shaped(
  name: ProfileName,
  { problem, detail, status: given, effect = 'none', ticket, fields }: Problem,
): { readonly status: number; readonly body: string; readonly contentType: string } {
  const profile = PROFILES[name]
  const status = given ?? profile.status(problem)
  const facts: ProblemFacts = { problem, status, title: TITLES[problem], detail, effect, ticket, fields }
  return { status, body: JSON.stringify(profile.body(facts)), contentType: profile.contentType }
}

/** `Retry-After` in whole seconds (RFC 9110 section 10.2.3), else the stop signs that openai, anthropic and stripe obey. */
function retryHeaders(retryAfterMs: number | undefined): readonly (readonly [string, string])[] {
  if (retryAfterMs !== undefined) return [['retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000)))]]
  return [
    ['x-should-retry', 'false'],
    ['stripe-should-retry', 'false'],
  ]
}

/** What a caller is told about an error of the engine, or about anything unexpected. Never a stored result. */
export function problemOf(error: unknown): Problem {
  if (!isOnefoldError(error)) {
    return {
      problem: 'IN_DOUBT',
      effect: 'unknown',
      detail:
        'The request failed inside the gateway, and its outcome is unknown. Do not send it again; look into the ledger.',
    }
  }
  const { code, message, effect } = error
  const fields = error.details['fields']
  return {
    problem: code,
    detail: message,
    effect,
    ticket: ticketFor(error),
    fields: Array.isArray(fields) ? fields.map(String) : undefined,
    retryAfterMs: retryAfterOf(error),
  }
}

function retryAfterOf(error: OnefoldError): number | undefined {
  if (error.code === 'IN_PROGRESS' || error.code === 'STORE_UNAVAILABLE') return error.retryAfterMs ?? 1000
  return error.code === 'REJECTED' && error.retryable ? 1000 : undefined
}

/** Only doubts have an owner who looks for them; other codes keep their ticket where the engine gave one. */
const ticketFor = ({ code, key, ticket }: OnefoldError): string | undefined =>
  ticket ?? (code === 'IN_DOUBT' && key !== undefined && key !== '' ? ticketOf(key) : undefined)
