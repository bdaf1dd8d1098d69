import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { saysDoubt } from '../says-doubt.ts'
import { DrivenAttempt, targetUrl, type Transport, type WireAttempt } from './attempt.ts'
import { listen } from './listen.ts'

interface Message {
  readonly request: ClientRequest
  readonly response?: IncomingMessage
  readonly error?: unknown
}

/**
 * Tells of every request of `node:http` and `node:https`, in the asynchronous context of who made it
 * (https://nodejs.org/api/diagnostics_channel.html#http). @returns stops it
 */
export function watchHttp(made: (attempt: WireAttempt) => void): () => void {
  const attempts = new WeakMap<ClientRequest, DrivenAttempt<ClientRequest>>()
  return listen<Message>({
    'http.client.request.created': ({ request }) => {
      if (request.method === 'CONNECT') return
      const attempt = new DrivenAttempt(request, HTTP)
      attempts.set(request, attempt)
      follow(request, attempt)
      made(attempt)
    },
    'http.client.response.finish': ({ request, response }) => {
      const attempt = attempts.get(request)
      if (attempt === undefined || response === undefined) return
      const { statusCode: status = 0, headers } = response
      const isDoubtful = saysDoubt(headers['onefold-outcome'])
      attempt.happens({ type: 'answered', status, location: headers.location, isDoubtful })
      response.once('close', () => {
        const error = new Error('the answer broke off')
        if (!response.complete) attempt.happens({ type: 'failed', error, discarded: response.errored === null })
      })
    },
    'http.client.request.error': ({ request, error }) =>
      attempts.get(request)?.happens({ type: 'failed', error, discarded: false }),
  })
}

const HTTP: Transport<ClientRequest> = {
  name: 'http',
  url: (request) =>
    targetUrl(`${request.protocol}//${String(request.getHeader('host') ?? request.host)}`, request.path),
  length: (request) => {
    const length = Number(request.getHeader('content-length') ?? Number.NaN)
    return Number.isNaN(length) ? undefined : length
  },
  header: (request, name) => {
    const value = request.getHeader(name)
    return value === undefined ? undefined : String(value)
  },
  setHeader: (request, name, value) => {
    // Headers given as an array are written down at once; setting one then throws.
    if (request.headersSent) return false
    request.setHeader(name, value)
    return true
  },
  refuse: (request, error) => void request.destroy(error),
  tellsOfSending: () => true,
}

/**
 * A request is written as soon as its socket can be written to; until the socket has connected (with TLS: until the
 * handshake is over) no byte of it has left. `bytesWritten` does not tell: it counts what waits.
 */
function follow(request: ClientRequest, attempt: DrivenAttempt<ClientRequest>): void {
  request.once('socket', (socket: Socket & { encrypted?: boolean; secureConnecting?: boolean }) => {
    const sent = (): void => attempt.happens({ type: 'sent' })
    const secure = socket.encrypted === true
    if (!socket.connecting && !(secure && socket.secureConnecting === true)) sent()
    else socket.once(secure ? 'secureConnect' : 'connect', sent)
  })
}
