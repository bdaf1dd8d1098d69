import type { ErrorCode } from '../../error/index.ts'

export type ProfileName = 'ietf' | 'stripe' | 'acp' | 'ucp'

/** What went wrong, as far as profiles tell it apart: our codes, and the limits of a server. */
export type WireProblem = ErrorCode | 'TOO_LARGE' | 'TOO_MANY' | 'BAD_REQUEST' | 'FORBIDDEN' | 'UPSTREAM_DOWN'

/**
 * Statuses that all profiles share. 409 and 5xx are retried by the common SDKs, 422 and 410 by none
 * (facts: openai, anthropic, stripe, AI SDK), so a doubt is told with 422.
 */
const STATUS: Readonly<Record<WireProblem, number>> = {
  KEY_MISSING: 400,
  KEY_INVALID: 400,
  KEY_REUSED: 422,
  IN_PROGRESS: 409,
  IN_DOUBT: 422,
  REJECTED: 422,
  RESULT_EXPIRED: 410,
  COMPENSATED: 410,
  STORE_UNAVAILABLE: 503,
  STORE_UNSAFE: 503,
  CONTRACT_INVALID: 500,
  CONTRACT_SUPERSEDED: 422,
  DIVERGED: 422,
  RECURSIVE_OPERATION: 422,
  RETRY_BUDGET_EXHAUSTED: 429,
  HELD: 422,
  CANCELLED: 503,
  INPUT_INVALID: 400,
  CONFIG_INVALID: 500,
  TOO_LARGE: 413,
  TOO_MANY: 429,
  BAD_REQUEST: 400,
  FORBIDDEN: 403,
  UPSTREAM_DOWN: 503,
}

/** What a body is made of. */
export interface ProblemFacts {
  readonly problem: WireProblem
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly effect: 'done' | 'none' | 'unknown'
  readonly ticket: string | undefined
  readonly fields: readonly string[] | undefined
}

export interface Profile {
  readonly name: ProfileName
  readonly contentType: string
  status(problem: WireProblem): number
  body(facts: ProblemFacts): unknown
}

/** RFC 9457. `type` is a name, no address: docs/reference/errors.md has an entry for each code. */
const problemBody = (facts: ProblemFacts): unknown => ({
  type: `urn:onefold:problem:${facts.problem}`,
  title: facts.title,
  status: facts.status,
  detail: facts.detail,
  code: facts.problem,
  effect: facts.effect,
  ...(facts.ticket === undefined ? {} : { ticket: facts.ticket }),
  ...(facts.fields === undefined || facts.fields.length === 0 ? {} : { fields: facts.fields }),
})

/** As https://docs.stripe.com/api/errors has them; the doubt is ours. */
const STRIPE_TYPES: Partial<Record<WireProblem, readonly [type: string, code: string | undefined]>> = {
  KEY_REUSED: ['idempotency_error', undefined],
  IN_PROGRESS: ['invalid_request_error', 'idempotency_key_in_use'],
  IN_DOUBT: ['idempotency_error', 'in_doubt'],
  KEY_INVALID: ['idempotency_error', 'idempotency_key_invalid'],
}

/** As the Agentic Commerce Protocol 2026-04-17 has them (rfc.agentic_checkout.md section 6). */
const ACP_CODES: Partial<Record<WireProblem, string>> = {
  KEY_MISSING: 'idempotency_key_required',
  KEY_INVALID: 'idempotency_key_invalid',
  KEY_REUSED: 'idempotency_conflict',
  IN_PROGRESS: 'idempotency_in_flight',
}

const own = (facts: ProblemFacts): object => ({
  effect: facts.effect,
  ...(facts.ticket === undefined ? {} : { ticket: facts.ticket }),
})

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  ietf: {
    name: 'ietf',
    contentType: 'application/problem+json',
    status: (problem) => STATUS[problem],
    body: problemBody,
  },
  stripe: {
    name: 'stripe',
    contentType: 'application/json',
    status: (problem) => (problem === 'KEY_REUSED' ? 400 : STATUS[problem]),
    body: (facts) => {
      const [type, code] = STRIPE_TYPES[facts.problem] ?? [
        facts.status >= 500 ? 'api_error' : 'invalid_request_error',
        facts.problem.toLowerCase(),
      ]
      return { error: { type, ...(code === undefined ? {} : { code }), message: facts.detail, ...own(facts) } }
    },
  },
  acp: {
    name: 'acp',
    contentType: 'application/json',
    status: (problem) => STATUS[problem],
    body: (facts) => ({
      type:
        facts.status >= 500 ? 'service_unavailable' : facts.status === 429 ? 'rate_limit_exceeded' : 'invalid_request',
      code: ACP_CODES[facts.problem] ?? facts.problem.toLowerCase(),
      message: facts.detail,
      ...own(facts),
    }),
  },
  // UCP 2026-04-08: 409 for a changed body, 503 when the storage fails; the bodies are RFC 9457's.
  ucp: {
    name: 'ucp',
    contentType: 'application/problem+json',
    status: (problem) => (problem === 'KEY_REUSED' ? 409 : STATUS[problem]),
    body: problemBody,
  },
}
