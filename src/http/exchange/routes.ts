import type { Contract } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { contractName, routeContract, type Reach } from './contract.ts'
import type { DeclaredRoute, DeclaredWrite, HttpRules, UndeclaredRule } from './declared.ts'
import type { DeclaredError } from './judge.ts'
import { firstMatch, hiddenRoute, readPattern, type Pattern } from './match.ts'
import { callerHeaders } from './principal.ts'

/** A write and everything that its operations need. */
export interface WritePlan {
  readonly kind: 'write'
  readonly name: string
  readonly contract: Contract
  readonly declared: DeclaredWrite
  /** Set for a write that no route declares. */
  readonly undeclared: UndeclaredRule | undefined
  /** How answers are read: the route's own word first. */
  readonly errors: readonly DeclaredError[]
  /** Names of headers that are frozen with a request. */
  readonly frozenHeaders: ReadonlySet<string>
}

/** What becomes of a request. */
export type Plan =
  | { readonly kind: 'pass' }
  | { readonly kind: 'blocked' }
  | { readonly kind: 'matched'; readonly plan: WritePlan; readonly params: Readonly<Record<string, string>> }

export interface Routes {
  /** @param segments the decoded path, of `segmentsOf` */
  plan(method: string, segments: readonly string[]): Plan
  /** Every contract that is declared; those of undeclared methods are made when they are met. */
  readonly contracts: readonly Contract[]
}

export interface RoutesOptions {
  /** Name of the service in contracts; the same after every restart. */
  readonly service: string
  readonly rules: HttpRules
  readonly routes: readonly DeclaredRoute[]
  readonly reach: (declared: DeclaredWrite) => Reach
  readonly register: (contract: Contract) => Contract
  readonly timeoutMs?: number | undefined
}

/** IANA's registry of methods: those that ask for no change. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH', 'TRACE'])

const UNDECLARED: DeclaredWrite = { effect: 'write', key: 'accepted', identity: 'all', recovery: { class: 'manual' } }

/** @throws OnefoldError CONTRACT_INVALID for a route that contradicts itself or that is never reached */
export function createRoutes(options: RoutesOptions): Routes {
  const { service, rules, register } = options
  const planOf = (name: string, declared: DeclaredWrite, undeclared: UndeclaredRule | undefined): WritePlan => ({
    kind: 'write',
    name,
    contract: register(
      routeContract(contractName(service, name), declared, rules, options.reach(declared), options.timeoutMs),
    ),
    declared,
    undeclared,
    errors: errorsOf(declared, rules),
    frozenHeaders: frozenHeadersOf(declared, rules),
  })
  refuseHidden(options.routes.map(({ match }) => match))
  const routes = options.routes.map(({ match, rule }) => {
    const pattern = patternOf(match)
    return { pattern, plan: rule.effect === 'read' ? undefined : planOf(pattern.text, rule, undefined) }
  })
  const unknown = new Map<string, WritePlan>()

  function undeclaredPlan(method: string): Plan {
    if (rules.unknownRoutes.mode === 'open') return PASS
    if (rules.unknownRoutes.mode === 'blocked') return BLOCKED
    let plan = unknown.get(method)
    if (plan === undefined) {
      plan = planOf(`${method} *`, UNDECLARED, rules.unknownRoutes)
      unknown.set(method, plan)
    }
    return { kind: 'matched', plan, params: {} }
  }

  return {
    contracts: routes.flatMap(({ plan }) => plan?.contract ?? []),
    plan(method, segments) {
      const found = firstMatch(routes, method, segments)
      if (found === undefined) return SAFE.has(method) ? PASS : undeclaredPlan(method)
      const { plan } = found.route
      return plan === undefined ? PASS : { kind: 'matched', plan, params: found.params }
    },
  }
}

/** The route's own word first. */
export const errorsOf = (declared: DeclaredWrite, rules: HttpRules): readonly DeclaredError[] => [
  ...(declared.errors ?? []),
  ...rules.errors,
]

const PASS: Plan = { kind: 'pass' }
const BLOCKED: Plan = { kind: 'blocked' }

function patternOf(text: string): Pattern {
  const pattern = readPattern(text)
  if ('match' in pattern) return pattern
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `The route ${JSON.stringify(text)} ${pattern.problem}. ${pattern.fix}. Nothing was registered.`,
  )
}

function refuseHidden(matches: readonly string[]): void {
  const hidden = hiddenRoute(matches)
  if (hidden === undefined) return
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `The route ${JSON.stringify(matches[hidden.at])} is never reached: the first route that fits is taken, and ${JSON.stringify(hidden.before)} before it fits all its requests. Put it before that one, or take one of them out. Nothing was registered.`,
  )
}

function frozenHeadersOf(declared: DeclaredWrite, rules: HttpRules): ReadonlySet<string> {
  const names = new Set([...callerHeaders(rules), ...rules.resendHeaders.map((name) => name.toLowerCase())])
  const paths = [...(Array.isArray(declared.identity) ? (declared.identity as readonly string[]) : [])]
  for (const path of [...paths, ...(declared.exclusive ?? [])]) {
    if (path.startsWith('headers.')) names.add(path.slice('headers.'.length))
  }
  return names
}
