import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { problemAnswer, type ProfileName } from '../exchange/index.ts'
import { createCheck, type Target } from './check.ts'
import { writeAnswer } from './write-answer.ts'

/** What a server of ours takes before it refuses. Bytes, counts and milliseconds. */
export interface EdgeLimits {
  /** Headers of one request. @default 100 */
  readonly headers: number
  /** All headers of one request together. @default 16 KiB */
  readonly headerBytes: number
  /** Open connections of clients. @default 10000 */
  readonly connections: number
  /** Until all headers of a request are there. @default 10 s */
  readonly headersMs: number
  /** Until the whole request is there: a body that drips is cut off. @default 60 s */
  readonly requestMs: number
}

export const EDGE_LIMITS: EdgeLimits = {
  headers: 100,
  headerBytes: 16 * 1024,
  connections: 10_000,
  headersMs: 10_000,
  requestMs: 60_000,
}

export interface EdgeOptions {
  readonly profile: ProfileName
  readonly limits: EdgeLimits
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Further names under which the server answers. */
  readonly hosts: readonly string[]
  /** True where a request that a browser sends for a page of another name is refused, as MCP demands. @default false */
  readonly checkOrigin?: boolean
  /** Headers that may stand only once, in lower case, beside those that always may. */
  readonly single: readonly string[]
  readonly handle: (incoming: IncomingMessage, outgoing: ServerResponse, target: Target) => Promise<void>
}

export interface Edge {
  readonly url: string
  /** Takes no new connections, lets open requests end, for `graceMs` where it is given, then closes. */
  close(graceMs?: number): Promise<void>
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

/** Starts a server that hands on what passes the checks of a request. @throws an Error of `listen` for a port in use */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { limits, host } = options
  const refusal = createFirst(options)
  const open = createOpen()
  const server = createServer(
    {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.max(50, Math.min(1000, Math.floor(limits.headersMs / 4))),
      keepAliveTimeout: 65_000,
      noDelay: true,
    },
    (incoming, outgoing) => {
      open.add(outgoing)
      const checked = refusal(incoming)
      if ('refusal' in checked) return writeAnswer(outgoing, checked.refusal, checked.close)
      // What fails unforeseen says nothing about the service: the client sees its connection break.
      options.handle(incoming, outgoing, checked.target).catch(() => outgoing.destroy())
    },
  )
  // Node would drop what is over the count; it is refused instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.on('clientError', (error, socket) => {
    // What is told now would be taken for the answer to a request that is still acting.
    if (!open.endsAfter(socket as Socket)) tellClientError(options.profile, error, socket as Socket)
  })
  await listen(server, options.port, host)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Connections that become idle only now would otherwise be kept until their time-out.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      const cut = graceMs === undefined ? undefined : setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(cut)
      clearInterval(sweep)
    },
  }
}

function createFirst({ profile, limits, host, ...options }: EdgeOptions): ReturnType<typeof createCheck> {
  const named = options.hosts.map((name) => name.toLowerCase())
  // A name that somebody else's DNS points here is not ours (DNS rebinding), where the server is for this machine only.
  const hosts = isLoopback(host)
    ? new Set([...LOOPBACK, host, ...named])
    : named.length > 0
      ? new Set(named)
      : undefined
  return createCheck({
    profile,
    headers: limits.headers,
    hosts,
    // Where any Host is answered, only a page of this machine may ask: a browser elsewhere can be led here.
    origins: options.checkOrigin === true ? (hosts ?? LOOPBACK) : undefined,
    single: options.single,
  })
}

/** Requests that were received whole and are not answered yet, by their connection. */
function createOpen(): {
  add(outgoing: ServerResponse): void
  /** Ends a connection after its open answers, if it has any; what came behind their requests is not looked at. */
  endsAfter(socket: Socket): boolean
} {
  const bySocket = new WeakMap<Socket, Set<ServerResponse>>()
  const ending = new WeakSet<Socket>()
  const openOn = (socket: Socket): readonly ServerResponse[] =>
    [...(bySocket.get(socket) ?? [])].filter(({ req }) => req.complete)
  return {
    add(outgoing) {
      const { socket } = outgoing.req
      const answers = bySocket.get(socket) ?? new Set()
      bySocket.set(socket, answers.add(outgoing))
      outgoing.once('close', () => {
        answers.delete(outgoing)
        if (ending.has(socket) && openOn(socket).length === 0) socket.destroySoon()
      })
    },
    endsAfter(socket) {
      if (openOn(socket).length === 0) return false
      ending.add(socket)
      return true
    },
  }
}

/** Answers what Node's parser refuses: bad framing, too large headers, requests that never end. */
function tellClientError(profile: ProfileName, error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, reason, detail] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request', 'The request is no HTTP.']
  const { body = '', headers } = problemAnswer(profile, {
    problem: 'BAD_REQUEST',
    detail: `${detail} Nothing was done.`,
  })
  const text = String(body).replace('"status":400', `"status":${status}`)
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\n${lines.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  )
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not end in time.'],
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
