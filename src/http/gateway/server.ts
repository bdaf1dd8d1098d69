import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Guard } from '../../engine/index.ts'
import {
  callerHeaders,
  createDoubts,
  createRoutes,
  kept,
  methodsAsked,
  problemAnswer,
  type Answer,
  type DeclaredRoute,
  type HttpRules,
  type Problem,
} from '../exchange/index.ts'
import { createDelivery, createSecrets, createUpstream, startEdge, writeAnswer, type Target } from '../edge/index.ts'
import { LIMITS, type GatewayLimits } from './limits.ts'
import { createPages } from './pages.ts'
import { createPassing } from './passing.ts'
import { createReach } from './reach.ts'
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

/**
 * Starts the reverse proxy.
 * @throws OnefoldError CONTRACT_INVALID for a route that contradicts itself; an Error of `listen` for a port in use
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const limits = { ...LIMITS, ...options.limits }
  const { profile } = options.rules
  const upstream = createUpstream(options.upstream, { silenceMs: limits.upstreamSilenceMs })
  const edge = await startEdge({
    profile,
    limits,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    hosts: options.hosts ?? [],
    single: callerHeaders(options.rules),
    handle: createHandler(options, limits, upstream),
  })
  return {
    url: edge.url,
    async close() {
      await edge.close()
      upstream.close()
    },
  }
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
    reach: createReach({ guard, upstream, forward, secrets, answerBytes: limits.answerBytes, rules }, keep),
    register: (contract) => guard.internals.register(contract),
    timeoutMs: options.timeoutMs,
  })
  const delivery = createDelivery({
    deliver: (key, tenant) => guard.internals.undeclared.deliver(key, tenant, 'http client'),
    nowMs,
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
  })
  const pages = createPages()
  const passing = createPassing({ upstream, forward, profile: rules.profile, pages })
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
    pages,
    unexpected: options.unexpected ?? (() => undefined),
  })
  return async (incoming, outgoing, target) => {
    const method = incoming.method ?? 'GET'
    const plan = routes.plan(method, target.segments)
    if (plan.kind === 'matched') return await writes(incoming, outgoing, target, plan.plan, plan.params)
    void delivery.heard(incoming.socket, undefined)
    const refuse = (problem: Problem): void =>
      writeAnswer(outgoing, pages.shown(incoming, problemAnswer(rules.profile, problem)))
    if (plan.kind === 'blocked')
      return refuse({
        problem: 'HELD',
        detail: 'This write is not declared, and writes that are not declared are blocked here. No effect started.',
      })
    // Some services go by these headers whatever the request's own method is: a read here would be a write there.
    const asked = methodsAsked(incoming.headers as Readonly<Record<string, string | undefined>>)
    if (asked.some((other) => routes.plan(other, target.segments).kind !== 'pass'))
      return refuse({
        problem: 'BAD_REQUEST',
        detail: `The ${method} asks for another method in a header, and that one would be guarded. Nothing was done; send it by that method.`,
      })
    await passing(incoming, outgoing, target)
  }
}
