import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { UnsentError } from '../../engine/index.ts'

/** A request to the service. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query, as they go into the request line. */
  readonly target: string
  /** Names and values in turn, as Node's raw headers are. */
  readonly headers: readonly string[]
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** Size of a body that comes as a stream. */
  readonly size?: number | undefined
  /** Called when the connection stands, right before the first byte: the last chance to send nothing. */
  readonly checkpoint?: () => void
  /** Stops a request whose first byte has not left; after it, nothing does. */
  readonly signal?: AbortSignal
}

export interface Upstream {
  readonly url: URL
  /** Resolves with the head of the answer. @throws UnsentError when no byte left */
  send(request: UpstreamRequest): Promise<IncomingMessage>
  close(): void
}

export interface UpstreamOptions {
  readonly silenceMs: number
  /** Connections that are idle longer are not used again: the service may be closing them this moment. @default 2 s */
  readonly idleMs?: number
}

const IDLE_MS = 2_000
/** Names of the service are looked up, and connections made, within this time; until then nothing was sent. */
const CONNECT_MS = 10_000

/** The service behind the gateway, over connections that are kept. */
export function createUpstream(url: URL, options: UpstreamOptions): Upstream {
  const secure = url.protocol === 'https:'
  const kept = { keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256, timeout: options.idleMs ?? IDLE_MS }
  const agent = secure ? new HttpsAgent(kept) : new Agent(kept)
  const prefix = url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname
  // Undici and URL write IPv6 addresses in brackets, which the resolver does not take.
  const hostname = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const base = { agent, hostname, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) }

  function send(given: UpstreamRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let sent = false
      const options_ = {
        ...base,
        method: given.method,
        path: prefix + given.target,
        headers: given.headers,
        timeout: options.silenceMs,
      }
      const request: ClientRequest = secure ? httpsRequest(options_) : httpRequest(options_)
      const fail = (error: Error): void => {
        given.signal?.removeEventListener('abort', onAbort)
        reject(sent ? error : new UnsentError(whyUnsent(error), { cause: error }))
      }
      const onAbort = (): void => {
        if (!sent) request.destroy(new Error('given up before it was sent'))
      }
      const go = (): void => {
        if (request.destroyed) return
        try {
          given.checkpoint?.()
        } catch (cause) {
          reject(new UnsentError('the attempt may no longer send', { cause }))
          request.destroy()
          return
        }
        sent = true
        // From here on nobody takes it back: the caller's patience is not the service's business.
        given.signal?.removeEventListener('abort', onAbort)
        write(request, given.body)
      }
      request.on('socket', (socket) => {
        if (!socket.connecting) return go()
        const late = setTimeout(() => request.destroy(coded('ETIMEDOUT', 'no connection')), CONNECT_MS)
        late.unref()
        socket.once('close', () => clearTimeout(late))
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          clearTimeout(late)
          go()
        })
      })
      request.on('timeout', () => request.destroy(coded('ETIMEDOUT', 'the service was silent')))
      request.on('response', resolve)
      request.on('upgrade', (_answer, socket) => {
        socket.destroy()
        fail(coded('HPE_UPGRADE', 'the service answered with an upgrade'))
      })
      request.on('error', fail)
      given.signal?.addEventListener('abort', onAbort, { once: true })
      if (given.signal?.aborted === true) onAbort()
    })
  }

  return { url, send, close: () => agent.destroy() }
}

function write(request: ClientRequest, body: UpstreamRequest['body']): void {
  if (body === undefined) request.end()
  else if (body instanceof Uint8Array) request.end(body)
  else {
    const isClients = body instanceof Readable
    const source = isClients ? body : Readable.from(body)
    source.on('error', (error) => request.destroy(error)).pipe(request)
    // What the service does not take of a client's own body is read off, so that its connection can be used again.
    goOn(request, () => (isClients ? source.unpipe(request).resume() : source.destroy()))
  }
}

/**
 * A service may answer before it has read the whole, and read on: Node's client takes the end of the answer for the end
 * of all, and neither drains nor times out any more.
 */
function goOn(request: ClientRequest, end: () => void): void {
  const { socket } = request
  const drain = (): void => void request.emit('drain')
  const late = (): void => void request.destroy(coded('ETIMEDOUT', 'the service was silent'))
  socket?.on('drain', drain).on('timeout', late)
  request.once('close', () => {
    socket?.off('drain', drain).off('timeout', late)
    end()
  })
}

const coded = (code: string, message: string): Error => Object.assign(new Error(message), { code })

function whyUnsent(error: Error): string {
  const code = (error as { code?: unknown }).code
  return `the service cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`
}
