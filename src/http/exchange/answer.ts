/** A complete HTTP answer, as the ledger keeps it and as it goes over the wire. */
export interface Answer {
  readonly status: number
  /** Name and value as they came, in their order; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Text where the bytes are UTF-8; `undefined` for an answer that was too large to keep. */
  readonly body: string | Uint8Array | undefined
  /** Size in bytes, for a body that was not kept. */
  readonly omitted?: number
}

/** RFC 9110 section 7.6.1, and what older servers treat alike: they concern one connection, never the message. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export const isHopByHop = (name: string): boolean => HOP_BY_HOP.has(name)

/** Names that a `Connection` header declares to be hop-by-hop too. */
export function namedByConnection(value: string | undefined): readonly string[] {
  return value === undefined ? [] : value.split(',').map((name) => name.trim().toLowerCase())
}

/** What a replay carries of the original's headers: what describes the content, and where the result is. */
const REPLAYED = new Set([
  'accept-ranges',
  'access-control-allow-credentials',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'allow',
  'cache-control',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'deprecation',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'preference-applied',
  'repr-digest',
  'request-id',
  'sunset',
  'vary',
  'x-content-type-options',
  'x-request-id',
])

/** Never replayed, whatever a configuration says: they are about one client, one connection or one secret. */
const NEVER = new Set(['set-cookie', 'set-cookie2', 'authorization', 'authentication-info', 'www-authenticate', 'date'])

/** True for a header that a replay may carry. `more` are names that the operator adds. */
export function isReplayed(name: string, more: ReadonlySet<string>): boolean {
  if (NEVER.has(name) || HOP_BY_HOP.has(name) || name === 'content-length') return false
  return REPLAYED.has(name) || more.has(name)
}

/** True where an operator asks for a header that is never replayed. */
export const isNeverReplayed = (name: string): boolean =>
  NEVER.has(name) || HOP_BY_HOP.has(name) || name === 'content-length'

/** The answer as the ledger keeps it: headers that may be replayed, and the body's bytes. */
export function kept(answer: Answer, more: ReadonlySet<string>): Answer {
  const headers = answer.headers.filter(([name]) => isReplayed(name, more))
  return { ...answer, headers }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes as text if they are UTF-8, which stores and compares more cheaply, else as they are. */
export function compactBody(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes
  }
}

/** True for a value that has the form of an {@link Answer}; a person may have settled a doubt with something else. */
export function isAnswer(value: unknown): value is Answer {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers } = value as Partial<Answer>
  return typeof status === 'number' && Array.isArray(headers)
}

/** The answer for a recorded value; what a person gave when settling a doubt is told as JSON. */
export function answerOf(value: unknown): Answer {
  if (isAnswer(value)) return value
  if (value === undefined || value === null) return { status: 200, headers: [], body: '' }
  return { status: 200, headers: [['content-type', 'application/json']], body: JSON.stringify(value) }
}
