import type { IncomingMessage } from 'node:http'
import { isHopByHop, namedByConnection, type Answer } from '../exchange/index.ts'

/** What the service is told about where a request came from. */
export interface ForwardOptions {
  /** `Host` towards the service: its own name, or the one that the client used. */
  readonly host: string
  readonly preserveHost: boolean
}

/** A client's own headers towards the service: all that are for it, the key and the run in their place. */
export function forwardedHeaders(
  incoming: IncomingMessage,
  options: ForwardOptions,
  ours: readonly (readonly [name: string, value: string])[],
): string[] {
  const { rawHeaders, headers } = incoming
  const named = namedByConnection(headers.connection)
  const replaced = ours.map(([name]) => name)
  const out: string[] = ['host', options.preserveHost ? (headers.host ?? options.host) : options.host]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    if (isHopByHop(name) || DROPPED.has(name) || named.includes(name) || replaced.includes(name)) continue
    out.push(rawHeaders[at] as string, rawHeaders[at + 1] as string)
  }
  for (const [name, value] of ours) out.push(name, value)
  const from = incoming.socket.remoteAddress ?? ''
  const before = headers['x-forwarded-for']
  out.push('x-forwarded-for', before === undefined ? from : `${String(before)}, ${from}`)
  if (headers['x-forwarded-host'] === undefined && headers.host !== undefined)
    out.push('x-forwarded-host', headers.host)
  if (headers['x-forwarded-proto'] === undefined) out.push('x-forwarded-proto', 'http')
  return out
}

/** Told anew, or answered by us. */
const DROPPED = new Set(['host', 'content-length', 'expect', 'x-forwarded-for'])

/** Headers that are for the client, in their order. The length is counted anew from the bytes. */
export function endToEnd(raw: readonly string[], connection: string | undefined): Answer['headers'] {
  const named = namedByConnection(connection)
  const headers: (readonly [string, string])[] = []
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase()
    if (isHopByHop(name) || name === 'content-length' || named.includes(name)) continue
    headers.push([name, raw[at + 1] as string])
  }
  return headers
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Whether clients follow an answer of this status to its `Location` by themselves (RFC 9110 section 15.4). */
export const isRedirect = (status: number): boolean => REDIRECTS.has(status)

/**
 * The headers of the service's answer that are for the client. A redirect to the service itself leads through here
 * again: a client that follows it with a write must not come to the service past the gateway.
 */
export function answerHeaders(
  { rawHeaders, headers, statusCode = 0 }: IncomingMessage,
  service: URL,
): Answer['headers'] {
  const told = endToEnd(rawHeaders, headers.connection)
  if (!isRedirect(statusCode)) return told
  return told.map(([name, value]) => [name, name === 'location' ? seenFromHere(value, service) : value] as const)
}

/** A `Location` as a path of ours, where it is one of the service. */
function seenFromHere(location: string, service: URL): string {
  // What is relative to the request's own path is so here too.
  const isRelative = !location.startsWith('/') && !URL.canParse(location)
  const target = isRelative ? null : URL.parse(location, service.href)
  if (target === null) return location
  const below = service.pathname.endsWith('/') ? service.pathname.slice(0, -1) : service.pathname
  if (!isService(target, service) || !`${target.pathname}/`.startsWith(`${below}/`)) return location
  const path = target.pathname.slice(below.length)
  return `${path === '' ? '/' : path}${target.search}${target.hash}`
}

/**
 * Behind something that ends TLS, services name themselves by http. One that is asked by http and wants https is left to
 * say so: brought back here it would be asked by http for ever.
 */
const isService = (target: URL, service: URL): boolean =>
  target.origin === service.origin ||
  (target.host === service.host && target.protocol === 'http:' && service.protocol === 'https:')
