import { withDefaults, type ToolContext } from '../contract/index.ts'
import { currentOperation, UnsentError, type Guard } from '../engine/index.ts'
import {
  callerOf,
  createDoubts,
  createRoutes,
  echoedKey,
  errorResponse,
  exchange,
  HTTP_DEFAULTS,
  problemAnswer,
  segmentsOf,
  toldResponse,
  type Answer,
  type HttpRules,
  type RequestFacts,
  type WritePlan,
} from './exchange/index.ts'
import { knownHttpOptions } from './known-http.ts'
import { declaredOf, routeReach, type Again, type HttpOptions, type WriteRoute } from './route.ts'

/** A request that is to go through the ledger. */
export interface Matched {
  readonly plan: WritePlan
  readonly params: Readonly<Record<string, string>>
}

/** What all forms of the middleware build on. */
export interface Protector {
  readonly rules: HttpRules
  readonly bodyBytes: number
  /** Undefined for a request that passes; an answer for one that is refused. */
  match(method: string, path: string): Matched | Answer | undefined
  /** The answer for a write. Never throws: what goes wrong is told as a problem. */
  perform(
    matched: Matched,
    facts: RequestFacts,
    send: (context: ToolContext) => Promise<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer>
}

const BODY_BYTES = 1024 * 1024

/**
 * @throws OnefoldError CONTRACT_INVALID for a route that contradicts itself, that the form cannot carry out or that an
 * earlier one hides; CONFIG_INVALID for an option that there is not
 */
export function createProtector(guard: Guard, options: HttpOptions, again: Again | undefined): Protector {
  const { name = 'http', routes: declared, bodyBytes = BODY_BYTES, ...given } = knownHttpOptions(options)
  const rules = withDefaults(HTTP_DEFAULTS, given)
  const replayHeaders = new Set(rules.replayHeaders.map((header) => header.toLowerCase()))
  const sources = new Map<object, WriteRoute>()
  const routes = createRoutes({
    service: name,
    rules,
    routes: declared.map((route) => {
      if (route.effect === 'read') return { match: route.match, rule: { effect: 'read' } }
      const rule = declaredOf(route)
      sources.set(rule, route)
      return { match: route.match, rule }
    }),
    reach: (rule) => {
      const route = sources.get(rule)
      return route === undefined ? {} : routeReach(guard, route, again, replayHeaders, rules)
    },
    register: (contract) => guard.internals.register(contract),
  })
  const doubts = createDoubts(guard)
  return {
    rules,
    bodyBytes,
    match(method, path) {
      const segments = segmentsOf(path)
      if (segments === undefined) {
        const detail =
          'The path has dot segments, encoded slashes, or characters that do not belong there. Nothing was done.'
        return problemAnswer(rules.profile, { problem: 'BAD_REQUEST', detail })
      }
      const plan = routes.plan(method, segments)
      if (plan.kind === 'matched') return { plan: plan.plan, params: plan.params }
      if (plan.kind === 'pass') return undefined
      const detail = 'This write is not declared, and writes that are not declared are blocked here. No effect started.'
      return problemAnswer(rules.profile, { problem: 'HELD', detail })
    },
    async perform({ plan }, facts, send, signal) {
      const sentKey = echoedKey(facts.headers['idempotency-key'])
      try {
        const caller = callerOf(facts.headers, rules)
        const told = await exchange({ guard, doubts, rules, replayHeaders, plan, caller, facts, send, signal })
        return toldResponse(told, sentKey)
      } catch (error) {
        return errorResponse(rules.profile, error, sentKey)
      }
    },
  }
}

/** A refusal for a body over the limit. */
export const tooLarge = ({ rules, bodyBytes }: Protector): Answer =>
  problemAnswer(rules.profile, {
    problem: 'TOO_LARGE',
    detail: `The body is larger than ${bodyBytes} bytes. Nothing was done.`,
  })

/** A refusal for a body that nobody has read where the ledger looks at it. */
export const unread = ({ rules }: Protector): Answer =>
  problemAnswer(rules.profile, {
    problem: 'CONTRACT_INVALID',
    detail:
      'The body was not parsed before the ledger looks at it, so the request cannot be told from another one. Put a parser for its content type ahead. Nothing was done.',
  })

/**
 * Right before a handler runs: the last chance to run nothing. What the handler sends, it says itself.
 * @throws UnsentError when the attempt may no longer act
 */
export function checked(): void {
  try {
    currentOperation()?.port.checkpoint()
  } catch (cause) {
    throw new UnsentError('the attempt may no longer act', { cause })
  }
}

/** True for a request that goes through the ledger; false for a refusal. */
export const isPlanned = (matched: Matched | Answer): matched is Matched => 'plan' in matched
