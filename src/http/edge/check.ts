import type { IncomingMessage } from 'node:http'
import { problemAnswer, segmentsOf, type Answer, type ProfileName } from '../exchange/index.ts'

/** What every request is checked for before anything else looks at it. */
export interface CheckOptions {
  readonly profile: ProfileName
  /** Most headers of one request. */
  readonly headers: number
  /** Names under which the gateway answers, in lower case without port; undefined: all. */
  readonly hosts: ReadonlySet<string> | undefined
  /** Names whose pages may ask from a browser, in lower case without port; undefined: all. */
  readonly origins: ReadonlySet<string> | undefined
  /** Headers that decide who asks and may stand only once, in lower case. */
  readonly single: readonly string[]
}

/** Where a request wants to go. */
export interface Target {
  readonly path: string
  /** With its question mark, or empty. */
  readonly search: string
  readonly segments: readonly string[]
}

/** Headers of which a second one, or whose removal as hop-by-hop, would make two readers read two requests. */
const SINGLE = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'host',
  'idempotency-key',
  'onefold-occurrence',
  'onefold-run',
  'onefold-session',
  'transfer-encoding',
])

export type Checked = { readonly target: Target } | { readonly refusal: Answer; readonly close: boolean }

/**
 * Framing, names and target of a request. What Node's parser has let through already is strict (llhttp without leniency
 * refuses TE with CL, repeated lengths, line folding and bare line ends); this refuses what it leaves open.
 */
export function createCheck(options: CheckOptions): (incoming: IncomingMessage) => Checked {
  const single = new Set([...SINGLE, ...options.single])
  const refuse = (problem: 'BAD_REQUEST' | 'FORBIDDEN', detail: string): Checked => ({
    refusal: problemAnswer(options.profile, { problem, detail: `${detail} Nothing was done.` }),
    close: true,
  })

  return (incoming) => {
    const { headers, rawHeaders } = incoming
    if (rawHeaders.length > 2 * options.headers) {
      const answer = problemAnswer(options.profile, {
        problem: 'BAD_REQUEST',
        detail: `The request has more than ${options.headers} headers. Nothing was done.`,
      })
      return { refusal: { ...answer, status: 431 }, close: true }
    }
    const twice = repeated(rawHeaders, single)
    if (twice !== undefined) return refuse('BAD_REQUEST', `The header ${twice} stands there twice.`)
    const coding = headers['transfer-encoding']
    if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || headers['content-length'] !== undefined))
      return refuse('BAD_REQUEST', 'The length of the body is told in two ways, or in one that is not known.')
    const named = headers.connection
      ?.toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .find((name) => single.has(name))
    if (named !== undefined) return refuse('BAD_REQUEST', `Connection may not name ${named}.`)
    if (options.hosts !== undefined && !options.hosts.has(hostOf(headers.host)))
      return refuse('FORBIDDEN', 'The gateway does not answer under this Host.')
    const { origin } = headers
    if (origin !== undefined && options.origins !== undefined && !options.origins.has(hostOfOrigin(origin)))
      return refuse('FORBIDDEN', 'Pages of this Origin may not ask here.')
    const target = readTarget(incoming.url ?? '')
    if (target === undefined)
      return refuse(
        'BAD_REQUEST',
        'The path has dot segments, encoded slashes, or characters that do not belong there.',
      )
    return { target }
  }
}

function repeated(rawHeaders: readonly string[], single: ReadonlySet<string>): string | undefined {
  let first: string | undefined
  let more: Set<string> | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    if (!single.has(name)) continue
    if (first === name || more?.has(name) === true) return name
    if (first === undefined) first = name
    else (more ??= new Set()).add(name)
  }
  return undefined
}

/** Without its port. */
function hostOf(host: string | undefined): string {
  if (host === undefined) return ''
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':')
  return (end <= 0 ? host : host.slice(0, end)).toLowerCase()
}

/** `null`, and what is no address, is nobody's. */
const hostOfOrigin = (origin: string): string => (URL.canParse(origin) ? new URL(origin).hostname.toLowerCase() : '')

/** Origin-form only (RFC 9112 section 3.2.1). */
function readTarget(url: string): Target | undefined {
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const search = mark === -1 ? '' : url.slice(mark)
  if (path.startsWith('//') || search.includes('#')) return undefined
  const segments = segmentsOf(path)
  return segments === undefined ? undefined : { path, search: search === '?' ? '' : search, segments }
}
