import { OnefoldError } from '../../error/index.ts'
import type { HttpRules } from './declared.ts'
import { digestOf } from './request.ts'

type Headers = Readonly<Record<string, string | undefined>>

/** Who asks and within what: read from headers alone. */
export interface Caller {
  readonly tenant: string | undefined
  /** Equal for equal credentials, and nothing of them can be read from it. */
  readonly principal: string
  /** Where in the service it acts: equal keys there and elsewhere are two operations. Empty where there is one place only. */
  readonly place: string
  /** `Onefold-Run`: the same through every retry above us. */
  readonly run: string | undefined
  readonly session: string | undefined
  /** `Onefold-Occurrence`: which of several wanted, equal operations. */
  readonly occurrence: number | undefined
}

const LONGEST = 255

/** Where services look for a key or a token that is not in `Authorization`. */
const API_KEYS = ['x-api-key', 'api-key', 'x-goog-api-key', 'x-auth-token', 'x-access-token', 'private-token'] as const

/**
 * Headers by which one caller acts for several accounts (docs.stripe.com/connect/authentication, /sandboxes,
 * developer.xero.com/documentation/guides/oauth2/tenants).
 */
const ACCOUNTS = ['stripe-account', 'stripe-context', 'xero-tenant-id'] as const

/**
 * @param byHost true where the service is told the name that the client used, and may be another one under each
 * @throws OnefoldError INPUT_INVALID for a header of ours that is no name, or an occurrence that is no number
 */
export function callerOf(headers: Headers, rules: HttpRules, byHost = false): Caller {
  const { tenantHeader } = rules
  const occurrence = headers['onefold-occurrence']
  return {
    tenant: tenantHeader === undefined ? undefined : named(headers, tenantHeader, true),
    principal: principalOf(headers, rules),
    place: placeOf(headers, rules, byHost),
    run: named(headers, 'onefold-run', false),
    session: named(headers, 'onefold-session', false),
    occurrence: occurrence === undefined ? undefined : readOccurrence(occurrence),
  }
}

/** The headers by which these rules tell callers, their tenants and their accounts apart. */
export const callerHeaders = ({ principal, tenantHeader, accountHeaders }: HttpRules): readonly string[] => [
  ...accountHeaders,
  ...(tenantHeader === undefined ? [] : [tenantHeader]),
  ...(typeof principal === 'object' && 'header' in principal ? [principal.header] : []),
]

function placeOf(headers: Headers, { accountHeaders }: HttpRules, byHost: boolean): string {
  const names = new Set([...(byHost ? ['host'] : []), ...ACCOUNTS, ...accountHeaders])
  const places = [...names].flatMap((name) => {
    const value = headers[name]?.toWellFormed()
    return value === undefined ? [] : [`/${name}:${principalNamed(name === 'host' ? value.toLowerCase() : value)}`]
  })
  return places.join('')
}

/** True for callers that the rules do not tell apart: what one may do, another may not. */
export const isShared = ({ principal }: Caller): boolean => principal === 'nobody' || principal === 'everybody'

function principalOf(headers: Headers, { principal }: HttpRules): string {
  if (principal === 'none') return 'everybody'
  if (principal !== 'authorization' && 'header' in principal)
    return `h:${principalNamed(named(headers, principal.header, true) ?? '')}`
  const proof =
    principal === 'authorization'
      ? credentialsOf((name) => headers[name])
      : cookieOf(headers['cookie'], principal.cookie)
  // Cut off: enough to tell callers apart, and of no use to find the credentials.
  return proof === undefined ? 'nobody' : `p:${digestOf(proof.toWellFormed()).slice(0, 22)}`
}

/** A name as a principal. It holds no slash: one begins what a scope adds to it, and nobody may be named like that. */
export const principalNamed = (name: string): string => name.replaceAll(/[%/]/g, encodeURIComponent)

/** What proves who sends a request: `Authorization`, else an API key, else all cookies. */
export function credentialsOf(header: (name: string) => string | undefined): string | undefined {
  for (const name of ['authorization', ...API_KEYS, 'cookie']) {
    const proof = header(name)
    if (proof !== undefined) return proof
  }
  return undefined
}

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const equals = part.indexOf('=')
    if (equals !== -1 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim()
  }
  return undefined
}

function named(headers: Headers, name: string, needed: boolean): string | undefined {
  const value = headers[name]
  if (value === undefined) {
    if (!needed) return undefined
    throw invalid(name, `The header ${name} is missing, by which this gateway tells its callers apart.`)
  }
  if (value.length < 1 || value.length > LONGEST) throw invalid(name, `The header ${name} has no usable length.`)
  for (let at = 0; at < value.length; at += 1) {
    const code = value.charCodeAt(at)
    if (code < 0x21 || code > 0x7e)
      throw invalid(name, `The header ${name} has a blank or a character that is not visible ASCII.`)
  }
  return value
}

function readOccurrence(text: string): number {
  const value = Number(text)
  if (text.length < 10 && Number.isSafeInteger(value) && value >= 1) return value
  throw invalid('onefold-occurrence', 'The header onefold-occurrence must be a whole number from 1.')
}

const invalid = (header: string, message: string): OnefoldError =>
  new OnefoldError('INPUT_INVALID', `${message} Nothing was done; correct it and send the request again.`, {
    details: { path: `$.headers.${header}` },
  })

/** Names of an event that stay the same when it is delivered again (CloudEvents, Standard Webhooks, GitHub, Shopify). */
const EVENT_HEADERS = ['ce-id', 'webhook-id', 'x-github-delivery', 'x-shopify-event-id', 'i-twilio-idempotency-token']

/**
 * The run's id: given, else derived from the request's own key or event id, so that it is the same on every retry; else
 * undefined, and then one is minted that nothing above us knows.
 */
export function runIdOf(caller: Caller, key: string | undefined, headers: Headers): string | undefined {
  if (caller.run !== undefined) return caller.run
  if (key !== undefined)
    return `key-${digestOf(`${caller.tenant ?? ''}\n${caller.principal}${caller.place}\n${key}`).slice(0, 22)}`
  for (const name of EVENT_HEADERS) {
    const id = headers[name]
    if (id !== undefined) return `event-${digestOf(`${name}\n${id.toWellFormed()}`).slice(0, 22)}`
  }
  return undefined
}

/**
 * The text within which identities are compared, beside tenant and route: the principal, where it acts, and what the
 * route's scope adds. It is the session of the operation's run.
 * @throws OnefoldError INPUT_INVALID where the scope needs a header that is not there
 */
export function isolationOf(caller: Caller, scope: 'tenant' | 'session' | 'run'): string {
  const who = `${caller.principal}${caller.place}`
  if (scope === 'tenant') return who
  const within = scope === 'session' ? caller.session : caller.run
  if (within === undefined) {
    throw new OnefoldError(
      'INPUT_INVALID',
      `This route compares operations within a ${scope}, so it needs the header Onefold-${scope === 'run' ? 'Run' : 'Session'}. Nothing was done.`,
      { details: { path: `$.headers.onefold-${scope}` } },
    )
  }
  return `${who}/${scope}:${within}`
}
