import { knownOptions, withDefaults, type NamesOf } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { HTTP_DEFAULTS, type HttpRules, type PrincipalRule } from './exchange/index.ts'
import type { HttpOptions, Route, WriteRoute } from './route.ts'

const NAMES: NamesOf<HttpOptions> = {
  name: true,
  routes: true,
  bodyBytes: 'number',
  profile: true,
  strict: true,
  principal: true,
  tenantHeader: true,
  accountHeaders: true,
  unknownRoutes: true,
  errors: true,
  replayHeaders: true,
  resendHeaders: true,
}

const ROUTE: NamesOf<WriteRoute> = {
  match: true,
  effect: true,
  key: true,
  identity: true,
  recovery: true,
  ignore: true,
  scope: true,
  version: 'number',
  retention: true,
  retryHorizon: true,
  timeout: true,
  errors: true,
  occurrenceField: true,
  amount: true,
  exclusive: true,
  verify: true,
}

const ROOTS = ['body', 'path', 'query', 'headers']

const wrong = (what: string, fix: string): OnefoldError =>
  new OnefoldError('CONFIG_INVALID', `${what}. ${fix}. Nothing was registered.`)

/** Options that have been looked at. */
export type KnownHttpOptions = Omit<HttpOptions, 'unknownRoutes'> & Partial<Pick<HttpRules, 'unknownRoutes'>>

/**
 * The options of a middleware with headers named as requests name them. Whatever could be taken for a weaker protection
 * than was meant is refused: a principal that names nothing would make one caller of all.
 * @throws OnefoldError CONFIG_INVALID for an option, or a word for one, that there is not
 */
export function knownHttpOptions(given: HttpOptions): KnownHttpOptions {
  const { unknownRoutes, ...options } = knownOptions('The protection of a service', given, NAMES)
  const { principal, tenantHeader, accountHeaders } = options
  choice('profile', options.profile, ['ietf', 'stripe', 'acp', 'ucp'])
  // Plain JavaScript may leave out what the types demand.
  if (!Array.isArray(options.routes as unknown))
    throw wrong('routes is no list', "Write routes: [{ match: 'POST /orders', key: 'required', recovery: manual() }]")
  return {
    ...options,
    ...(principal === undefined ? {} : { principal: knownPrincipal(principal) }),
    ...(tenantHeader === undefined ? {} : { tenantHeader: headerName('tenantHeader', tenantHeader) }),
    ...(accountHeaders === undefined ? {} : { accountHeaders: headerNames('accountHeaders', accountHeaders) }),
    ...(unknownRoutes === undefined ? {} : { unknownRoutes: knownUnknown(unknownRoutes) }),
    routes: options.routes.map(knownRoute),
  }
}

function knownUnknown(given: Partial<HttpRules['unknownRoutes']>): HttpRules['unknownRoutes'] {
  const rule = knownOptions('unknownRoutes', given, { mode: true, afterDelivery: true, afterError: true })
  choice('unknownRoutes.mode', rule.mode, ['guarded', 'blocked', 'open'])
  choice('unknownRoutes.afterDelivery', rule.afterDelivery, ['run', 'replay', 'hold'])
  choice('unknownRoutes.afterError', rule.afterError, ['hold', 'run'])
  return withDefaults(HTTP_DEFAULTS.unknownRoutes, rule)
}

function knownPrincipal(given: PrincipalRule): PrincipalRule {
  const rule = given as { readonly header?: unknown; readonly cookie?: unknown } | string | null
  if (rule === 'authorization' || rule === 'none') return rule
  if (typeof rule === 'object' && rule !== null) {
    if (rule.header !== undefined) return { header: headerName('principal.header', rule.header) }
    if (typeof rule.cookie === 'string' && rule.cookie !== '') return { cookie: rule.cookie }
  }
  throw wrong(
    'principal names nobody',
    "Write 'authorization', 'none', { header: 'x-user-id' } or { cookie: 'session' }",
  )
}

function headerNames(of: string, given: unknown): readonly string[] {
  if (!Array.isArray(given)) throw wrong(`${of} is no list`, "Write ['x-org-id']")
  return given.map((name) => headerName(of, name))
}

function headerName(of: string, given: unknown): string {
  // Node and Fetch tell headers in lower case.
  if (typeof given === 'string' && given !== '') return given.toLowerCase()
  throw wrong(`${of} is no name of a header`, "Write 'x-user-id'")
}

function knownRoute(given: Route): Route {
  const of = `The route ${JSON.stringify(given.match)}`
  const route = knownOptions(of, given as WriteRoute, ROUTE)
  choice(`effect of ${JSON.stringify(given.match)}`, given.effect, ['read', 'write'])
  if (given.effect === 'read') return given
  choice(`key of ${JSON.stringify(given.match)}`, route.key, ['required', 'accepted', 'derived'])
  if (typeof (route.recovery as unknown) !== 'object')
    throw wrong(`${of} has no recovery`, "Say what settles an unknown outcome: keyed('24h'), probe(…) or manual()")
  const path = (text: string): string => knownPath(of, text)
  const { identity, ignore, exclusive, amount, occurrenceField } = route
  return {
    ...route,
    ...(Array.isArray(identity) ? { identity: identity.map(path) } : {}),
    ...(Array.isArray(ignore) ? { ignore: ignore.map(path) } : {}),
    ...(Array.isArray(exclusive) ? { exclusive: exclusive.map(path) } : {}),
    ...(typeof amount === 'string' ? { amount: path(amount) } : {}),
    ...(typeof occurrenceField === 'string' ? { occurrenceField: path(occurrenceField) } : {}),
  }
}

function knownPath(of: string, given: unknown): string {
  const text = String(given)
  const [root = ''] = text.split('.', 1)
  if (!ROOTS.includes(root))
    throw wrong(`${of} names ${text}`, `Begin it with body, path, query or headers, as body.${text}`)
  return root === 'headers' ? text.toLowerCase() : text
}

function choice(of: string, given: unknown, words: readonly string[]): void {
  if (given === undefined || words.includes(given as string)) return
  throw wrong(`${of} cannot be ${JSON.stringify(given)}`, `Write ${words.join(' or ')}`)
}
