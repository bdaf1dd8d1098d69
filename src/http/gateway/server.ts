import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Guard } from '../../engine/index.ts'
import {
  createDoubts,
  createRoutes,
  kept,
  problemAnswer,
  type Answer,
  type DeclaredRoute,
  type HttpRules,
} from '../exchange/index.ts'
import { createCheck, type Target } from './check.ts'
import { createDelivery } from './delivery.ts'
import { LIMITS, type GatewayLimits } from './limits.ts'
import { writeAnswer } from './outgoing.ts'
import { createPassing } from './passing.ts'
import { createReach } from './reach.ts'
import { createSecrets } from './secrets.ts'
import { createUpstream } from './upstream.ts'
import { createWrites } from './writes.ts'

export interface GatewayOptions {
  readonly guard: Guard
  readonly upstream: URL
  /** Name of the service in contracts and in the ledger; the same after every restart. */
  readonly service: string
  readonly rules: HttpRules
  readonly routes: readonly DeclaredRoute[]
  readonly limits?: Partial<GatewayLimits>
  /** 0: a free one. @default 0 */
  readonly port?: number
  /** @default '127.0.0.1' */
  readonly host?: string
  /** Further names under which the gateway answers. @default [] */
  readonly hosts?: readonly string[]
  /** Hands the client's own `Host` to the service. @default false */
  readonly preserveHost?: boolean
  /** Deadline of one attempt where a route says none, in milliseconds. @default 60000 */
  readonly timeoutMs?: number | undefined
  /** How long clients wait at most before they give up without a word, in milliseconds. @default 30000 */
  readonly clientTimeoutMs?: number
  /** Told what must not happen: a defect of the gateway. @default dropped */
  readonly unexpected?: (error: unknown) => void
}

export interface Gateway {
  readonly url: string
  /** Takes no new requests, lets open ones end, then closes. The guard is the caller's. */
  close(): Promise<void>
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

/**
 * Starts the reverse proxy.
 * @throws OnefoldError CONTRACT_INVALID for a route that contradicts itself; an Error of `listen` for a port in use
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const limits = { ...LIMITS, ...options.limits }
  const host = options.host ?? '127.0.0.1'
  const upstream = createUpstream(options.upstream, { silenceMs: limits.upstreamSilenceMs })
  const handle = createHandler(options, limits, upstream)
  const refusal = createFirst(options, limits, host)
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('*', async (context) => {
    const { incoming, outgoing } = context.env as { incoming: IncomingMessage; outgoing: ServerResponse }
    await handle(incoming, outgoing, targets.get(incoming) as Target)
    return RESPONSE_ALREADY_SENT
  })
  const targets = new WeakMap<IncomingMessage, Target>()
  const first =
    (next: (incoming: IncomingMessage, outgoing: ServerResponse) => void) =>
    (incoming: IncomingMessage, outgoing: ServerResponse): void => {
      const checked = refusal(incoming)
      if ('refusal' in checked) return writeAnswer(outgoing, checked.refusal, checked.close)
      targets.set(incoming, checked.target)
      next(incoming, outgoing)
    }
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    autoCleanupIncoming: true,
    createServer: ((serverOptions: ServerOptions, listener: never) =>
      createServer(serverOptions, first(listener))) as typeof createServer,
    serverOptions: {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.max(50, Math.min(1000, Math.floor(limits.headersMs / 4))),
      keepAliveTimeout: 65_000,
      noDelay: true,
    },
  }) as Server
  // Node would drop what is over the count; it is refused instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.on('clientError', (error, socket) => tellClientError(options.rules, error, socket as Socket))
  await listen(server, options.port ?? 0, host)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Connections that become idle only now would otherwise be kept until their time-out.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      await closed
      clearInterval(sweep)
      upstream.close()
    },
  }
}

function createFirst(options: GatewayOptions, limits: GatewayLimits, host: string): ReturnType<typeof createCheck> {
  const { rules } = options
  const named = (options.hosts ?? []).map((name) => name.toLowerCase())
  // A name that somebody else's DNS points here is not ours (DNS rebinding), where the gateway is for this machine only.
  const hosts = isLoopback(host)
    ? new Set([...LOOPBACK, host, ...named])
    : named.length > 0
      ? new Set(named)
      : undefined
  const { principal, tenantHeader } = rules
  const single = typeof principal === 'object' && 'header' in principal ? [principal.header] : []
  return createCheck({
    profile: rules.profile,
    headers: limits.headers,
    hosts,
    single: tenantHeader === undefined ? single : [...single, tenantHeader],
  })
}

function createHandler(
  options: GatewayOptions,
  limits: GatewayLimits,
  upstream: ReturnType<typeof createUpstream>,
): (incoming: IncomingMessage, outgoing: ServerResponse, target: Target) => Promise<void> {
  const { guard, rules } = options
  const replayHeaders = new Set(rules.replayHeaders.map((name) => name.toLowerCase()))
  const secrets = createSecrets()
  const nowMs = (): number => performance.now()
  const forward = { host: options.upstream.host, preserveHost: options.preserveHost ?? false }
  const keep = (answer: Answer): Answer => kept(answer, replayHeaders)
  const routes = createRoutes({
    service: options.service,
    rules,
    routes: options.routes,
    reach: createReach({ guard, upstream, secrets, answerBytes: limits.answerBytes, rules }, keep),
    register: (contract) => guard.internals.register(contract),
    timeoutMs: options.timeoutMs,
  })
  const delivery = createDelivery({
    deliver: (key, tenant) => guard.internals.undeclared.deliver(key, tenant, 'http client'),
    nowMs,
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
  })
  const passing = createPassing({ upstream, forward, profile: rules.profile })
  const writes = createWrites({
    guard,
    doubts: createDoubts(guard),
    rules,
    replayHeaders,
    limits,
    upstream,
    forward,
    delivery,
    secrets,
    nowMs,
    unexpected: options.unexpected ?? (() => undefined),
  })
  return async (incoming, outgoing, target) => {
    const method = incoming.method ?? 'GET'
    const plan = routes.plan(method, target.segments)
    if (plan.kind === 'matched') return await writes(incoming, outgoing, target, plan.plan, plan.params)
    void delivery.heard(incoming.socket, undefined)
    if (plan.kind === 'pass') return await passing(incoming, outgoing, target)
    const error = problemAnswer(rules.profile, {
      problem: 'HELD',
      detail: 'This write is not declared, and writes that are not declared are blocked here. No effect started.',
    })
    writeAnswer(outgoing, error)
  }
}

/** Answers what Node's parser refuses: bad framing, too large headers, requests that never end. */
function tellClientError(rules: HttpRules, error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, reason, detail] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request', 'The request is no HTTP.']
  const { body = '', headers } = problemAnswer(rules.profile, {
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
