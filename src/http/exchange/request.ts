import { hash } from 'node:crypto'
import { isOnefoldError } from '../../error/index.ts'
import { multipartDigest, parseJson, type MultipartDigest } from '../../key/index.ts'
import { isHopByHop, namedByConnection } from './answer.ts'
import { METHOD_OVERRIDES } from './asked-method.ts'

/** A request's body as it is known when the operation is named. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Already parsed by a framework. */
  | { readonly kind: 'value'; readonly value: unknown }
  /** Spooled to disk: only its digests are looked at; `form` is that of a multipart body without its boundary. */
  | { readonly kind: 'spooled'; readonly sha256: string; readonly size: number; readonly form?: string | undefined }

/** What every framework can say about a request. */
export interface RequestFacts {
  readonly method: string
  /** As it was sent, without the query. */
  readonly path: string
  /** With its question mark, or empty. */
  readonly search: string
  /** Values of the route's varying parts. */
  readonly params: Readonly<Record<string, string>>
  /** Names in lower case; repeated headers joined by `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: RequestBody
}

/** The frozen input of an operation: all that is needed to name it again, and to send it again. Plain JSON. */
export interface FrozenRequest {
  readonly method: string
  readonly path: string
  readonly search: string
  readonly params: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: FrozenBody | null
  /** True when the request carried credentials, which are never stored. */
  readonly secret: boolean
  /** Tells credentials apart where their owners are not told apart. */
  readonly proof?: string
}

export type FrozenBody =
  | { readonly text: string }
  | { readonly base64: string }
  /** Parsed by a framework before we saw it. */
  | { readonly value: unknown }
  /** `blob`: the bytes lie in the ledger under their digest. `form`: what a multipart body is compared by. */
  | { readonly sha256: string; readonly size: number; readonly blob?: true; readonly form?: string }

/** Headers that say what a request's content and conditions are. Credentials are never among them. */
const FROZEN = new Set([
  'accept',
  'accept-language',
  'api-version',
  'content-digest',
  'content-encoding',
  'content-language',
  'content-type',
  'idempotency-key',
  'prefer',
  'repr-digest',
  'request-id',
  'stripe-version',
  'x-api-version',
  'x-request-id',
])

/**
 * Headers that say which action a request asks for, beside its method and path: that of a SOAP or AWS service, the
 * method that a POST stands for, where to or from a resource is copied (RFC 4918 section 10), which part of it is
 * written (RFC 9110 section 14.5, tus, Azure's page blobs), who may see it. Requests that differ in one of them are two
 * operations.
 */
export const ACTIONS: readonly string[] = [
  'content-range',
  'depth',
  'destination',
  'overwrite',
  'soapaction',
  'upload-offset',
  'x-amz-acl',
  'x-amz-copy-source',
  'x-amz-target',
  'x-goog-copy-source',
  'x-ms-page-write',
  'x-ms-range',
  ...METHOD_OVERRIDES,
]
for (const name of ACTIONS) FROZEN.add(name)

/**
 * Headers that say on what state a write may act (RFC 9110 section 13.1). Whoever names another state has read it since:
 * where all of a request identifies it, that is another request and no retry.
 */
export const CONDITIONS = ['if-match', 'if-none-match', 'if-unmodified-since'] as const
for (const name of CONDITIONS) FROZEN.add(name)

/** Headers that every send makes anew, or that only its client's connection is concerned with. */
const MADE_ANEW = new Set(['accept-encoding', 'content-length', 'expect'])

/** Headers that prove who asks: kept in memory while an operation is open, never written down. */
const SECRET = new Set(['authorization', 'cookie', 'x-api-key', 'api-key', 'x-auth-token'])

/** What services call their own: `x-goog-api-key`, `private-token`, `x-amz-security-token`, `x-hub-signature`. */
const SOUNDS_SECRET = /auth|token|key|secret|passw|credential|signature|assertion|jwt|session/

/** What sounds so and is none: it names an operation or a conversation. */
const NO_SECRET = /^(?:idempotency-key$|mcp-|onefold-|sec-)/

export const isSecret = (name: string): boolean =>
  SECRET.has(name) || (SOUNDS_SECRET.test(name) && !NO_SECRET.test(name))

/** Equal for equal credentials; nothing of them can be read from it. */
export function proofOf(headers: RequestFacts['headers']): string {
  const proofs = Object.entries(headers).filter(([name]) => isSecret(name))
  return digestOf(JSON.stringify(proofs.toSorted(([a], [b]) => (a < b ? -1 : 1)))).slice(0, 22)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface FreezeOptions {
  /** Names that identity is made of, or that the operator adds. */
  readonly headers: ReadonlySet<string>
  /** Bodies up to this size stand in the record itself, in bytes. */
  readonly inlineBytes: number
  /** True where recovery has to make the request again, or to ask after it: every header counts then. */
  readonly whole: boolean
  /** All larger bodies are put into the ledger as a blob by the caller, not only those that can be looked into. */
  readonly blob: boolean
  /** True where callers share one principal: whose credentials these were must then be told by a proof. */
  readonly shared: boolean
}

/** The part of a request that goes into the ledger. */
export function freeze(facts: RequestFacts, options: FreezeOptions): FrozenRequest {
  const headers: Record<string, string> = {}
  const named = namedByConnection(facts.headers['connection'])
  const isKept = (name: string): boolean =>
    FROZEN.has(name) || (options.whole && !MADE_ANEW.has(name) && !isHopByHop(name) && !named.includes(name))
  let secret = false
  for (const name in facts.headers) {
    const value = facts.headers[name]
    if (value === undefined) continue
    if (options.headers.has(name) && !SECRET.has(name)) headers[name] = String(value).toWellFormed()
    else if (isSecret(name)) secret = true
    else if (isKept(name)) headers[name] = String(value).toWellFormed()
  }
  const { method, path, search, params } = facts
  const frozen = {
    method,
    path,
    search,
    params,
    headers,
    body: freezeBody(facts.body, headers, options),
    secret,
    ...(secret && options.shared ? { proof: proofOf(facts.headers) } : {}),
  }
  const { body } = facts
  if (
    body.kind === 'bytes' &&
    body.bytes.byteLength > options.inlineBytes &&
    body.bytes.byteLength <= LIMITS.maxBytes
  ) {
    // Too large for the record, yet its fields may identify: they are read now, while the bytes are at hand.
    const parsed = isJson(headers) ? strictJson(body.bytes) : undefined
    if (parsed !== undefined) views.set(frozen, { method, path: params, query: queryOf(search), headers, body: parsed })
  }
  return frozen
}

function freezeBody(body: RequestBody, headers: FrozenRequest['headers'], options: FreezeOptions): FrozenBody | null {
  switch (body.kind) {
    case 'none':
      return null
    case 'value':
      return { value: body.value }
    case 'spooled':
      return { sha256: body.sha256, size: body.size, ...(options.blob ? { blob: true } : {}), ...formed(body.form) }
    case 'bytes': {
      const { bytes } = body
      if (bytes.byteLength > options.inlineBytes) {
        // Whoever asks after the effect may need a field of it.
        const blob = options.blob || (options.whole && isJson(headers) && bytes.byteLength <= LIMITS.maxBytes)
        return {
          sha256: digestOf(bytes),
          size: bytes.byteLength,
          ...(blob ? { blob: true } : {}),
          ...formed(formDigest(bytes, headers)),
        }
      }
      const text = textOf(bytes)
      return text === undefined ? { base64: Buffer.from(bytes).toString('base64') } : { text }
    }
  }
}

const formed = (form: string | undefined): { readonly form?: string } => (form === undefined ? {} : { form })

/** A form that is built anew for a retry has another boundary, and is the same form. */
function formDigest(bytes: Uint8Array, headers: RequestFacts['headers']): string | undefined {
  const digest = formDigestOf(headers)
  digest?.update(bytes)
  return digest?.end()
}

/** Undefined where the body is no multipart, or compressed. */
export const formDigestOf = (headers: RequestFacts['headers']): MultipartDigest | undefined =>
  (headers['content-encoding'] ?? 'identity') === 'identity' ? multipartDigest(headers['content-type']) : undefined

/** Equal for bodies that are compared as equal bytes. */
export function contentOf({ body, headers }: Pick<RequestFacts, 'body' | 'headers'>): string {
  if (body.kind === 'bytes') return formDigest(body.bytes, headers) ?? digestOf(body.bytes)
  return body.kind === 'spooled' ? (body.form ?? body.sha256) : ''
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** SHA-256 in base64url: what the ledger names blobs by. */
export const digestOf = (bytes: Uint8Array | string): string => hash('sha256', bytes, 'base64url')

/** A value as it is decoded; what is no UTF-8 stands for itself as it was sent. */
type QueryValue = string | { readonly raw: string }

/** A frozen request as identities, fingerprints and probes see it. */
export interface RequestView {
  readonly method: string
  /** Values of the route's varying parts. */
  readonly path: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, QueryValue | readonly QueryValue[]>>
  readonly headers: Readonly<Record<string, string>>
  /** Parsed JSON, else what stands for the bytes. */
  readonly body: unknown
}

const views = new WeakMap<FrozenRequest, RequestView>()
const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 64 }

/** The view of a request, made once. @throws nothing: a body that is no strict JSON stands for itself as bytes */
export function viewOf(frozen: FrozenRequest): RequestView {
  const known = views.get(frozen)
  if (known !== undefined) return known
  const { method, params, headers } = frozen
  const view = { method, path: params, query: queryOf(frozen.search), headers, body: bodyView(frozen) }
  views.set(frozen, view)
  return view
}

/** A frozen request with its body at hand, where that lies beside the record and can be looked into. */
export async function withBody(
  frozen: FrozenRequest,
  getBlob: (sha256: string) => Promise<Uint8Array | undefined>,
): Promise<FrozenRequest> {
  const { body, headers } = frozen
  if (body === null || !('blob' in body) || body.size > LIMITS.maxBytes || !isJson(headers)) return frozen
  const bytes = await getBlob(body.sha256)
  const text = bytes === undefined ? undefined : textOf(bytes)
  return text === undefined ? frozen : { ...frozen, body: { text } }
}

function bodyView({ body, headers }: FrozenRequest): unknown {
  if (body === null) return null
  if ('value' in body) return body.value
  if ('sha256' in body) return body.form === undefined ? { sha256: body.sha256 } : { form: body.form }
  const parsed = 'text' in body && isJson(headers) ? strictJson(body.text) : undefined
  if (parsed !== undefined) return parsed
  const bytes = 'text' in body ? Buffer.from(body.text) : Buffer.from(body.base64, 'base64')
  const form = formDigest(bytes, headers)
  return form === undefined ? { sha256: digestOf(bytes) } : { form }
}

/** `application/json`, `application/merge-patch+json` and their like, not compressed. */
function isJson(headers: Readonly<Record<string, string>>): boolean {
  const type = headers['content-type']
  if (type === undefined || (headers['content-encoding'] ?? 'identity') !== 'identity') return false
  const end = type.indexOf(';')
  const name = (end === -1 ? type : type.slice(0, end)).trim().toLowerCase()
  return name.endsWith('/json') || name.endsWith('+json')
}

/** Undefined for what is no strict JSON: such a body stands for itself as bytes. */
function strictJson(text: string | Uint8Array): unknown {
  try {
    return parseJson(text, LIMITS)
  } catch (error) {
    if (isOnefoldError(error)) return undefined
    throw error
  }
}

/** The SHA-256 of the raw bytes, for profiles that compare these. */
export function rawDigest({ body }: FrozenRequest): string | null {
  if (body === null) return null
  if ('value' in body) return digestOf(JSON.stringify(body.value))
  if ('sha256' in body) return body.sha256
  return digestOf('text' in body ? body.text : Buffer.from(body.base64, 'base64'))
}

function queryOf(search: string): RequestView['query'] {
  if (search.length < 2) return {}
  const query: Record<string, QueryValue | QueryValue[]> = {}
  for (const [name, value] of pairsOf(search)) {
    const known = Object.hasOwn(query, name) ? query[name] : undefined
    const next = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value]
    Object.defineProperty(query, name, { value: next, writable: true, enumerable: true, configurable: true })
  }
  return query
}

/** Decoding puts one and the same sign for everything that is no UTF-8; what has it is looked at more closely. */
function pairsOf(search: string): Iterable<readonly [string, QueryValue]> {
  const decoded = new URLSearchParams(search)
  if (!decoded.toString().includes('%EF%BF%BD')) return decoded
  return search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const [name, value] = equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
      const [[plainName, plainValue] = ['', '']] = new URLSearchParams(pair)
      return isEscapedUtf8(pair) ? [plainName, plainValue] : [isEscapedUtf8(name) ? plainName : name, { raw: value }]
    })
}

function isEscapedUtf8(text: string): boolean {
  const bytes = Buffer.from(text).toString('latin1')
  const unescaped = bytes.replaceAll(/%([0-9a-f]{2})/gi, (_whole, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  )
  return textOf(Buffer.from(unescaped, 'latin1')) !== undefined
}
