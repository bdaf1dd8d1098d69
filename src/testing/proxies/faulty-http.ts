import {
  createServer,
  request as send,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { request as sendSecurely } from 'node:https'
import type { AddressInfo } from 'node:net'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import { holding, planner, type FaultPlan, type ProxyFault } from './plan.ts'

/** A request that has passed, or would have. */
export interface PassedRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly fault: ProxyFault | undefined
}

export interface FaultyHttpOptions {
  /** The service behind it. */
  readonly upstream: string
  /** @default none */
  readonly faults?: FaultPlan<Omit<PassedRequest, 'fault'>>
  /** How long `delay` holds an answer at most, in milliseconds. @default 30,000 */
  readonly delayMs?: number
}

const NAMES: NamesOf<FaultyHttpOptions> = { upstream: true, faults: true, delayMs: 'number' }

/** An HTTP proxy on loopback that loses requests and answers. `crash-…` is a lost one: a proxy has no process to kill. */
export interface FaultyHttp extends AsyncDisposable {
  readonly url: string
  /** What the next requests meet, after what is planned already. */
  plan(...faults: readonly (ProxyFault | undefined)[]): void
  /** Every request that arrived, oldest first. */
  requests(): readonly PassedRequest[]
  /** Lets the answers go that `delay` holds. */
  release(): void
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const DELAY_MS = 30_000
/** Headers that belong to one connection (RFC 9110, section 7.6.1). */
const HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'proxy-connection']

/** On the proxy's own 502, where the request has not arrived at the service at all: why. */
export const UNREACHED = 'x-faulty-http-unreached'
const UNSENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']

/** Starts the proxy on a free port of 127.0.0.1. @throws OnefoldError CONFIG_INVALID for an unknown option or fault */
export async function faultyHttp(options: FaultyHttpOptions): Promise<FaultyHttp> {
  knownOptions('faultyHttp', options, NAMES)
  const upstream = new URL(options.upstream)
  const plan = planner(options.faults)
  const held = holding()
  const passed: PassedRequest[] = []
  const waiting = new Set<ClientRequest>()

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(request)
    const about = { method: request.method ?? 'GET', path: request.url ?? '/', headers: request.headers }
    const fault = plan.next(about)
    passed.push({ ...about, fault })
    const act = (): Promise<Answer> => forward(upstream, request, body, waiting)
    switch (fault) {
      case 'lost-request':
      case 'crash-before':
        return void response.destroy()
      case 'error-before':
        return unavailable(response)
      case 'lost-answer':
      case 'crash-after':
        await act()
        return void response.destroy()
      case 'error-after':
        await act()
        return unavailable(response)
      case 'duplicate': {
        const [first] = await Promise.all([act(), act()])
        return answer(response, first)
      }
      case 'delay': {
        const late = await act()
        await held.hold(options.delayMs ?? DELAY_MS)
        return answer(response, late)
      }
      case 'reset-mid-body': {
        const whole = await act()
        response.writeHead(whole.status, { ...endToEnd(whole.headers), 'content-length': whole.body.length + 1 })
        return void response.write(whole.body.subarray(0, whole.body.length >> 1), () => response.destroy())
      }
      case undefined:
        return answer(response, await act())
    }
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy()
      const code = String((error as NodeJS.ErrnoException).code)
      const headers = { 'content-type': 'application/json', ...(UNSENT.includes(code) ? { [UNREACHED]: code } : {}) }
      response.writeHead(502, headers).end('{"error":"the service cannot be reached"}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    held.release()
    server.closeAllConnections()
    // A service that hangs would keep this process as long as it hangs itself.
    for (const one of waiting) one.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    plan: (...faults) => plan.add(faults),
    requests: () => passed,
    release: held.release,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function forward(upstream: URL, request: IncomingMessage, body: Buffer, waiting: Set<ClientRequest>): Promise<Answer> {
  const prefix = upstream.pathname === '/' ? '' : upstream.pathname
  const to = new URL(upstream.origin)
  const sender = to.protocol === 'https:' ? sendSecurely : send
  return new Promise((resolve, reject) => {
    const outgoing = sender(
      {
        protocol: to.protocol,
        hostname: to.hostname.replace(/^\[|\]$/g, ''),
        port: to.port,
        method: request.method,
        path: prefix + (request.url ?? '/'),
        headers: { ...endToEnd(request.headers), host: to.host, 'content-length': body.length },
        agent: false,
      },
      (response) => {
        bytesOf(response).then(
          (bytes) => resolve({ status: response.statusCode ?? 502, headers: response.headers, body: bytes }),
          reject,
        )
      },
    )
    waiting.add(outgoing)
    outgoing.on('error', reject)
    outgoing.on('close', () => waiting.delete(outgoing))
    outgoing.end(body)
  })
}

const endToEnd = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP.includes(name)))

function answer(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...endToEnd(headers), ...(body.length > 0 ? { 'content-length': body.length } : {}) })
  response.end(body)
}

const unavailable = (response: ServerResponse): void =>
  void response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":"service unavailable"}')

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
