import { saysDoubt } from '../says-doubt.ts'
import { DrivenAttempt, targetUrl, type Transport, type WireAttempt } from './attempt.ts'
import { listen } from './listen.ts'

/**
 * What is used of undici's request. `headers` is documented as names and values in turn; `onError` is internal, and was
 * measured on undici 6, 7 and 8 and inside Node 22 and 24 to end a request before it is dispatched.
 */
interface UndiciRequest {
  readonly method: string
  readonly origin: string | URL
  readonly path: string
  readonly headers: readonly unknown[] | string
  readonly contentLength?: number | null
  readonly body?: unknown
  error?: unknown
  addHeader(name: string, value: string): unknown
  onError?(error: Error): void
  onResponseError?(error: Error): void
}

interface Message {
  readonly request: UndiciRequest
  readonly response?: { readonly statusCode: number; readonly headers?: unknown }
  readonly error?: unknown
}

interface Connected {
  readonly connectParams: { readonly host?: string; readonly hostname?: string; readonly protocol?: string }
  readonly socket: { readonly alpnProtocol?: string | false | null }
}

/** Origins spoken to over HTTP/2, where undici 6 sends without saying so. */
const overHttp2 = new Set<string>()

/**
 * Tells of every request of undici, Node's own `fetch` included, in the asynchronous context of who made it
 * (https://undici.nodejs.org/#/docs/api/DiagnosticsChannel). @returns stops it
 */
export function watchUndici(made: (attempt: WireAttempt) => void): () => void {
  const attempts = new WeakMap<object, DrivenAttempt<UndiciRequest>>()
  return listen<Message>({
    'undici:request:create': ({ request }) => {
      if (request.method === 'CONNECT') return // a proxy's tunnel, not the request
      const attempt = new DrivenAttempt(request, UNDICI)
      attempts.set(request, attempt)
      made(attempt)
    },
    // Published right before the first byte is written, so without it none was.
    'undici:client:sendHeaders': ({ request }) => attempts.get(request)?.happens({ type: 'sent' }),
    'undici:request:headers': ({ request, response }) =>
      attempts.get(request)?.happens({
        type: 'answered',
        status: response?.statusCode ?? 0,
        location: headerIn(response?.headers, 'location'),
        isDoubtful: saysDoubt(headerIn(response?.headers, 'onefold-outcome')),
      }),
    'undici:request:error': ({ request, error }) =>
      attempts.get(request)?.happens({ type: 'failed', error, discarded: isDiscard(error) }),
    'undici:client:connected': (message) => noteProtocol(message as unknown as Connected),
  })
}

const UNDICI: Transport<UndiciRequest> = {
  name: 'undici',
  url: ({ origin, path }) => targetUrl(String(origin), path),
  length: ({ contentLength, body }) => contentLength ?? (body instanceof Uint8Array ? body.byteLength : undefined),
  header: ({ headers }, name) => {
    const at = indexOf(headers, name)
    return at === -1 ? undefined : String(headers[at + 1])
  },
  setHeader: (request, name, value) => {
    const at = indexOf(request.headers, name)
    if (at === -1) request.addHeader(name, value)
    else (request.headers as unknown[])[at + 1] = value
    return true
  },
  refuse: (request, error) => {
    const end = request.onError ?? request.onResponseError
    if (end === undefined) request.error = error
    else end.call(request, error)
  },
  tellsOfSending: ({ origin }) => overHttp2.size === 0 || !overHttp2.has(hostOf(String(origin))),
}

function indexOf(headers: UndiciRequest['headers'], name: string): number {
  if (typeof headers === 'string') return -1
  for (let at = 0; at < headers.length; at += 2) {
    const there = String(headers[at])
    if (there.length === name.length && there.toLowerCase() === name) return at
  }
  return -1
}

/** Names and values in turn, as bytes. */
function headerIn(headers: unknown, wanted: string): string | undefined {
  if (!Array.isArray(headers)) return undefined
  const at = headers.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === wanted)
  return at === -1 ? undefined : String(headers[at + 1])
}

/**
 * True where a body was cancelled, destroyed or collected unread, and not by a signal, whose reason is the error then:
 * the words are undici's own for it (measured on undici 6 and 7 and inside Node 22 and 24).
 */
const isDiscard = (error: unknown): boolean =>
  error instanceof Error
    ? (error as { code?: unknown }).code === 'UND_ERR_ABORTED' ||
      (error.name === 'AbortError' && error.message === 'The operation was aborted.')
    : error === 'Response object has been garbage collected'

function noteProtocol({ connectParams, socket }: Connected): void {
  if (socket.alpnProtocol === 'h2') overHttp2.add(connectParams.host ?? connectParams.hostname ?? '')
}

const hostOf = (origin: string): string => origin.slice(origin.indexOf('://') + 3)
