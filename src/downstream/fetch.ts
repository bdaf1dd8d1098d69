import type { FetchMaker, SendPort } from '../engine/index.ts'

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Error codes that prove that no byte of a request left: refused connection, name resolution, no route, TLS before the request. */
const UNSENT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/**
 * `ctx.fetch`: carries the operation's key on every write (unless the tool set one itself), checks the attempt's deadline
 * right before the send, and tells the engine of each send whether bytes left and what came back.
 */
export function downstreamFetch(base: typeof fetch = fetch): FetchMaker {
  return (port) => {
    const ordinals = new Map<string, number>()
    return async (input, init) => {
      const request = new Request(input, { ...init, signal: signalFor(port, input, init) })
      const method = request.method.toUpperCase()
      if (WRITES.has(method)) addKey(port, request, ordinals)
      if (port.run !== undefined && !request.headers.has('onefold-run')) request.headers.set('onefold-run', port.run)
      port.checkpoint()
      const send = port.opened()
      send.state = 'sent'
      try {
        const response = await base(request)
        send.state = 'answered'
        send.status = response.status
        return response
      } catch (error) {
        send.error = error
        if (isUnsent(error)) send.state = 'unsent'
        throw error
      }
    }
  }
}

/** Repeats of one request inside an operation get keys of their own; the same attempt made again gives the same keys. */
function addKey(port: SendPort, request: Request, ordinals: Map<string, number>): void {
  const operation = `${request.method} ${new URL(request.url).pathname}`
  const ordinal = ordinals.get(operation) ?? 0
  ordinals.set(operation, ordinal + 1)
  if (!request.headers.has('idempotency-key')) {
    request.headers.set('idempotency-key', port.downstreamKey(undefined, operation, ordinal))
  }
  if (port.sequenceKey !== undefined) request.headers.set('onefold-sequence', port.sequenceKey)
}

function signalFor(port: SendPort, input: Parameters<typeof fetch>[0], init: RequestInit | undefined): AbortSignal {
  const own = init?.signal ?? (input instanceof Request ? input.signal : undefined)
  return own === undefined || own === null ? port.signal : AbortSignal.any([own, port.signal])
}

function isUnsent(error: unknown): boolean {
  for (let current = error, depth = 0; depth < 8 && current instanceof Error; current = current.cause, depth += 1) {
    if (current instanceof AggregateError && current.errors.length > 0) return current.errors.every(isUnsent)
    const code = (current as { code?: unknown }).code
    if (typeof code === 'string') return UNSENT_CODES.has(code)
  }
  return false
}
