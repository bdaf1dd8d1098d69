import { multipartDigest } from '../key/index.ts'
import type { BodyTrace } from './lines.ts'

type Redirect = NonNullable<RequestInit['redirect']>

/** A call of `fetch`, taken apart so that headers and body can be changed before it is made. */
export interface Call {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  /** Undefined where there is none, or where it is a stream inside a `Request`. */
  readonly body: unknown
  /** True where it has one that is not read here: a stream inside a `Request`. */
  readonly hasUnread: boolean
  readonly signal: AbortSignal | undefined
  readonly redirect: Redirect
  /** The second argument, for what else goes with every hop of a redirect: the way out (`dispatcher`), for one. */
  readonly init: RequestInit | undefined
  /** Makes the call, with what was changed. */
  make(base: typeof fetch, changed: Changed): Promise<Response>
}

export interface Changed {
  readonly body: unknown
  readonly signal: AbortSignal | undefined
  readonly redirect: Redirect
}

const JSON_TYPE = /json/
const TEXT_TYPE = /^(?:text\/|application\/x-www-form-urlencoded)|xml/

/**
 * Reads the arguments of a `fetch`. A body of text inside a `Request` is read, since it tells a retry from another
 * request; keys may belong into JSON.
 */
export async function readCall(input: Parameters<typeof fetch>[0], init: RequestInit | undefined): Promise<Call> {
  if (!(input instanceof Request)) {
    const url = new URL(input)
    const { body, signal, redirect = 'follow' } = init ?? {}
    const method = methodOf(init?.method)
    const headers = new Headers(init?.headers)
    return {
      method,
      url,
      headers,
      body: body ?? undefined,
      hasUnread: false,
      signal: signal ?? undefined,
      redirect,
      init,
      make: (base, changed) => base(url, { ...init, method, headers, ...withBody(changed) }),
    }
  }
  const headers = new Headers(init?.headers ?? input.headers)
  const ownBody = init?.body ?? undefined
  const type = headers.get('content-type') ?? ''
  let body: unknown = ownBody
  if (input.body !== null && ownBody === undefined) {
    if (JSON_TYPE.test(type)) body = await input.text()
    else if (TEXT_TYPE.test(type)) body = new Uint8Array(await input.arrayBuffer())
  }
  return {
    method: methodOf(init?.method ?? input.method),
    url: new URL(input.url),
    headers,
    body,
    hasUnread: body === undefined && input.body !== null,
    signal: init?.signal ?? input.signal,
    redirect: init?.redirect ?? input.redirect,
    init,
    make: (base, changed) => base(new Request(input, { ...init, headers, ...withBody(changed) })),
  }
}

const withBody = ({ body, signal, redirect }: Changed): RequestInit => ({
  redirect,
  signal: signal ?? null, // null takes off a signal that the arguments hold
  ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
})

const methodOf = (method = 'GET'): string => method.toUpperCase()

/** What of a body tells a retry from another request. */
export function traceOf(body: unknown): BodyTrace {
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  if (body instanceof Uint8Array) return body
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (body instanceof Blob) return body.size
  return body instanceof FormData ? JSON.stringify([...body].map(([name, value]) => [name, partOf(value)])) : undefined
}

/** The same for a call: a form that an SDK encodes itself has another boundary at each of its retries. */
export function traceOfCall({ body, headers }: Pick<Call, 'body' | 'headers'>): BodyTrace {
  const trace = traceOf(body)
  if (trace === undefined || typeof trace === 'number') return trace
  const digest = multipartDigest(headers.get('content-type') ?? undefined)
  digest?.update(Buffer.from(trace))
  return digest?.end() ?? trace
}

/** A part of a form; a file by what is known of it without reading it, and stays when it is made anew for a retry. */
const partOf = (value: string | File): unknown => (typeof value === 'string' ? value : [value.name, value.size])

/** True where the body that a call was sent with, ours if it was changed, can be sent a second time. */
export const isRepeatable = ({ hasUnread }: Call, body: unknown): boolean =>
  body === undefined ? !hasUnread : traceOf(body) !== undefined
