import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSlots, keepNewest, tellOperators, type Guard } from '../../engine/index.ts'
import {
  BodyRefused,
  createDelivery as createSocketDelivery,
  EDGE_LIMITS,
  isForwarded,
  receiveBody,
  startEdge,
  writeAnswer,
  type EdgeLimits,
  type Target,
} from '../../http/edge/index.ts'
import { callerOf, HTTP_DEFAULTS, problemAnswer, type PrincipalRule, type Problem } from '../../http/exchange/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { createCalls } from '../proxy/calls.ts'
import type { HeaderMeta } from '../proxy/call-meta.ts'
import type { ProxyContracts } from '../proxy/declared.ts'
import type { Delivery } from '../proxy/delivery.ts'
import { envelopeOf } from '../proxy/envelope.ts'
import { createListing, type Listing } from '../proxy/listed-contracts.ts'
import { readClientLine, type ToolCall } from '../proxy/message.ts'
import { idKey } from '../proxy/message-id.ts'
import { createSeenTools } from '../proxy/seen-tools.ts'
import { createToolBook } from '../proxy/tool-book.ts'
import { failureLine } from '../proxy/outcome-line.ts'
import type { Backend, Exchange, Who } from './backend.ts'
import { isMessage, mayHoldMessage, notHere } from './beside.ts'
import { createKnownCallers, type KnownCallers } from './known-callers.ts'
import { statusOfLine } from './mirrors.ts'
import { createRelay, type Relay } from './relay.ts'
import { createResumable } from './resumable.ts'

/** Who is told apart from whom; `session`: by the session of MCP 2025-11-25 and before. */
export type McpPrincipal = PrincipalRule | 'session'

/** What the server takes before it refuses. Bytes, counts and milliseconds. */
export interface McpHttpLimits extends EdgeLimits {
  /** Largest message of a client. @default 10 MiB */
  readonly bodyBytes: number
  /** Arguments of a write. @default 4 MiB */
  readonly argumentBytes: number
  /** Largest message of the server. @default 64 MiB */
  readonly messageBytes: number
  /** Streams that are open at once. @default 1000 */
  readonly streams: number
  /** What is kept in all for clients that come back for the rest of a stream. @default 64 MiB */
  readonly resumableBytes: number
}

const MCP_HTTP_LIMITS: McpHttpLimits = {
  ...EDGE_LIMITS,
  bodyBytes: 10 * 1024 * 1024,
  argumentBytes: 4 * 1024 * 1024,
  messageBytes: 64 * 1024 * 1024,
  streams: 1_000,
  resumableBytes: 64 * 1024 * 1024,
}

/** What a backend is made with. */
export interface BackendContext {
  readonly callers: KnownCallers
  readonly rewrite: (method: string) => Listing | undefined
  readonly heard: (method: string) => void
  readonly limits: McpHttpLimits
}

export interface McpHttpOptions {
  readonly guard: Guard
  readonly contracts: ProxyContracts
  readonly backend: (context: BackendContext) => Backend
  /** Path of the MCP endpoint. */
  readonly endpoint: string
  /** @default 'authorization' */
  readonly principal?: McpPrincipal | undefined
  /** A header by which a trusted front names the tenant. */
  readonly tenantHeader?: string | undefined
  /** 0: a free one. @default 0 */
  readonly port?: number
  /** @default '127.0.0.1' */
  readonly host?: string
  /** Further names under which it answers, and whose pages may ask. @default [] */
  readonly hosts?: readonly string[]
  readonly limits?: Partial<McpHttpLimits>
  /** When clients give up at the latest without saying so. @default 30000 */
  readonly clientTimeoutMs?: number
  /** Told what people should know. */
  readonly tell: (message: string) => void
  /** Name the ledger behind commands that people are told to type. @default '' */
  readonly ledgerFlags?: string
}

export interface McpHttp {
  /** With the path of the endpoint. */
  readonly url: string
  /** Takes no new requests, follows what has started into the ledger, then closes. The guard is the caller's. */
  close(graceMs?: number): Promise<void>
}

/**
 * Serves MCP over Streamable HTTP, in both eras, with a ledger in front of the tools.
 * @throws OnefoldError CONTRACT_INVALID for a contract that contradicts itself; an Error of `listen` for a port in use
 */
export async function startMcpHttp(options: McpHttpOptions): Promise<McpHttp> {
  const { guard, contracts, tell } = options
  const limits = { ...MCP_HTTP_LIMITS, ...options.limits }
  const principalRule = options.principal ?? 'authorization'
  const rules = {
    ...HTTP_DEFAULTS,
    principal: principalRule === 'session' ? ('none' as const) : principalRule,
    tenantHeader: options.tenantHeader?.toLowerCase(),
  }
  const nowMs = (): number => performance.now()
  const tenantNames = rules.tenantHeader === undefined ? [] : [rules.tenantHeader]
  const callers = createKnownCallers({
    names: [...tenantNames, ...headerOf(principalRule)],
    tenants: tenantNames.length > 0,
    renewed: principalRule !== 'authorization' && principalRule !== 'none',
  })
  const seenTools = createSeenTools(contracts, tell)
  const book = createToolBook(contracts, () => backend.own, true)
  const listing = createListing(book.planOf, seenTools.answered)
  const backend = options.backend({
    callers,
    limits,
    rewrite: (method) => (method === 'tools/list' ? listing : undefined),
    heard: (method) => {
      if (method !== 'notifications/tools/list_changed') return
      seenTools.changed()
      listing.forget()
    },
  })
  const calls = createCalls({ guard, contracts, maxArgumentBytes: limits.argumentBytes, nowMs })
  const sockets = createSocketDelivery({
    deliver: (key, tenant) => guard.internals.undeclared.deliver(key, tenant, 'mcp client'),
    nowMs,
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
  })
  const resumable = createResumable(limits.resumableBytes)
  const streams = createSlots<ServerResponse>()
  /** What takes back the evidence that an answer may become, by its call. */
  const answered = new Map<string, () => void>()
  let stopping = false
  let registered = false

  /** From now on the sweeper may settle what earlier lives left: somebody is there to ask as. */
  function register(): void {
    if (registered) return
    registered = true
    for (const contract of book.declared) guard.internals.register(contract)
  }

  const refuse = (outgoing: ServerResponse, problem: Problem): void =>
    writeAnswer(outgoing, problemAnswer('ietf', problem), true)

  /** Counts a stream until it closes. False when there are too many. */
  function streamed(outgoing: ServerResponse): boolean {
    if (streams.size >= limits.streams) {
      refuse(outgoing, {
        problem: 'TOO_MANY',
        detail: `More than ${limits.streams} streams are open. Nothing was done.`,
        retryAfterMs: 1000,
      })
      return false
    }
    const slot = streams.add(outgoing)
    outgoing.once('close', () => streams.take(slot))
    return true
  }

  function whoIs(incoming: IncomingMessage, { search }: Target): { readonly who: Who; readonly headers: HeaderMeta } {
    const headers = incoming.headers as Readonly<Record<string, string | undefined>>
    const caller = callerOf(headers, rules)
    const session = headers['mcp-session-id']
    const principal =
      principalRule === 'session' ? (session === undefined ? 'nobody' : `s:${shortHash(session)}`) : caller.principal
    // A key in the query is a credential like one in a header.
    const proven = principalRule === 'authorization' && search !== '' ? `p:${shortHash(principal + search)}` : principal
    return {
      who: { principal: proven, tenant: caller.tenant, search, session },
      headers: {
        idempotencyKey: headers['idempotency-key'],
        runId: caller.run,
        sessionId: caller.session,
        occurrence: caller.occurrence,
      },
    }
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse, target: Target): Promise<void> {
    try {
      if (target.path !== options.endpoint) {
        void sockets.heard(incoming.socket, undefined)
        return await beside(incoming, outgoing, target)
      }
      if (incoming.method === 'POST') return await post(incoming, outgoing, target)
      void sockets.heard(incoming.socket, undefined)
      const { who } = whoIs(incoming, target)
      if (incoming.method === 'GET') {
        if (!streamed(outgoing)) return
        const after = incoming.headers['last-event-id']
        const relay = typeof after === 'string' ? resumable.of(who, after) : undefined
        if (relay === undefined) return await backend.listen(incoming, outgoing, who)
        return relay.resume(outgoing, after as string)
      }
      if (incoming.method === 'DELETE') return await backend.end(incoming, outgoing, who)
      return await beside(incoming, outgoing, target)
    } catch (error) {
      if (outgoing.destroyed) return
      if (!(error instanceof BodyRefused)) return writeLine(outgoing, failureLine('null', error), 400)
      if (error.why === 'broken') return void outgoing.destroy()
      refuse(outgoing, {
        problem: 'TOO_LARGE',
        detail: `The message is larger than ${limits.bodyBytes} bytes. Nothing was done.`,
      })
    }
  }

  /** Anything but MCP: what a server takes at another address, or by another method, would go past the ledger. */
  async function beside(incoming: IncomingMessage, outgoing: ServerResponse, target: Target): Promise<void> {
    if (!mayHoldMessage(incoming)) return await backend.other(incoming, outgoing, target)
    if (incoming.headers['content-encoding'] !== undefined) return refuse(outgoing, COMPRESSED)
    const received = await receiveBody(incoming, { bodyBytes: limits.bodyBytes, memoryBytes: limits.bodyBytes })
    const body = await received.whole()
    if (!isMessage(body)) return await backend.other(incoming, outgoing, target, body)
    writeLine(outgoing, errorLine('null', notHere(target.path, options.endpoint)), 400)
  }

  async function post(incoming: IncomingMessage, outgoing: ServerResponse, target: Target): Promise<void> {
    if (incoming.headers['content-encoding'] !== undefined) return refuse(outgoing, COMPRESSED)
    const received = await receiveBody(incoming, { bodyBytes: limits.bodyBytes, memoryBytes: limits.bodyBytes })
    const body = Buffer.from(await received.whole())
    const message = readClientLine(body)
    const { who, headers } = whoIs(incoming, target)
    if (message.kind === 'refused') {
      void sockets.heard(incoming.socket, undefined)
      const data = { type: 'INPUT_INVALID', effect: 'none', retryable: false, path: message.path }
      const error = JSON.stringify({ code: message.code, message: message.message, data })
      return writeLine(outgoing, errorLine(message.id, error), message.code === -32602 ? 200 : 400)
    }
    const id =
      message.kind === 'call'
        ? message.text.slice(message.id.start, message.id.end)
        : message.kind === 'other'
          ? message.id
          : undefined
    const version = incoming.headers['mcp-protocol-version']
    const stateless = typeof version === 'string' && version >= STATELESS_SINCE
    const relay: Relay = createRelay(outgoing, (bytes, event) => {
      if (!stateless && id !== undefined) resumable.keep({ who, id, relay }, bytes, event)
    })
    const exchange: Exchange = { incoming, outgoing, body, message, id, who, stateless, relay }
    const sends = callers.remember({
      who,
      rawHeaders: incoming.rawHeaders,
      connection: incoming.headers.connection,
      protocol: typeof version === 'string' ? version : undefined,
      envelope: message.kind === 'call' ? envelopeOf(message) : undefined,
    })
    if (message.kind === 'call') {
      register()
      const plan = book.planOf(message.tool)
      if (plan.kind !== 'pass') {
        if (stopping) return refuse(outgoing, STOPPING)
        if (!streamed(outgoing)) return
        take({ ...exchange, message }, plan, headers, sends)
        return
      }
    }
    if (message.kind === 'cancel' && message.requestId !== undefined) {
      const key = callId(who, message.requestId)
      // It has crossed the answer, or its client has given up on it: whatever comes next is no sign that it was read.
      answered.get(key)?.()
      if (calls.cancel(key)) {
        outgoing.writeHead(202).end()
        return
      }
    }
    void sockets.heard(incoming.socket, undefined)
    if (id !== undefined && !streamed(outgoing)) return
    await backend.pass(exchange)
  }

  function take(
    exchange: Exchange & { readonly message: ToolCall },
    plan: Parameters<typeof calls.take>[2],
    headers: HeaderMeta,
    sends: (operation: string) => void,
  ): void {
    const { incoming, outgoing, message, who, relay, stateless } = exchange
    // Without a session equal ids of two requests mean nothing: each is its own connection's.
    const named = callId(who, exchange.id as string)
    const key = who.session === undefined || stateless ? `${(requests += 1)}` : named
    const send = backend.send(exchange)
    calls.take(message, key, plan, {
      send: (build, beforeByte, about) => {
        if (about.operation !== undefined) sends(about.operation)
        return send(build, beforeByte, about)
      },
      answer: (reply, flushed) => {
        if ('line' in reply) relay.line(reply.line, flushed, stateless ? statusOfLine(reply.line) : 200)
        else relay.whole(reply.http)
      },
      takenBack: () => relay.close(),
      delivery: socketDelivery(incoming, named),
      principal: who.principal,
      tenant: who.tenant,
      headers,
    })
    // In MCP 2026-07-28 a stream that closes is a cancellation; before, a connection that is lost means nothing.
    if (stateless) {
      outgoing.once('close', () => {
        if (outgoing.writableFinished) return
        calls.cancel(key)
      })
    }
  }
  let requests = 0

  /** Evidence by the connection: what a client asks on it next, it asks after it has read the answer. */
  function socketDelivery({ socket, headers }: IncomingMessage, named: string): Delivery {
    let recorded: Promise<unknown> | undefined
    return {
      heard: (first) => {
        recorded = sockets.heard(socket, first)
      },
      recorded: async () => void (await recorded),
      answered: ({ key, tenant, first }, calledAt) => {
        if (isForwarded(headers)) return () => undefined
        keepNewest(answered, named, () => sockets.cancelled(socket, key), ANSWERED)
        return sockets.answered(socket, { key, tenant, same: first }, calledAt)
      },
      cancelled: () => undefined,
    }
  }

  const edge = await startEdge({
    profile: 'ietf',
    limits,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    hosts: options.hosts ?? [],
    checkOrigin: true,
    single: [...SINGLE, ...tenantNames, ...headerOf(principalRule)],
    handle,
  })
  const stopTelling = tellOperators(guard, tell, options.ledgerFlags)
  return {
    url: `${edge.url}${options.endpoint}`,
    async close(graceMs = 2_000) {
      stopping = true
      calls.abandon()
      while (calls.open.size > 0) await Promise.all(Array.from(calls.open.values(), ({ ended }) => ended))
      await backend.close(graceMs)
      // A connection that is still there may bring a new stream, and one that nobody reads never ends.
      const closed = edge.close(graceMs)
      // Where nothing has been told yet, the backend tells that it is gone.
      for (const outgoing of streams) if (outgoing.headersSent) outgoing.end()
      await closed
      stopTelling()
    },
  }
}

/** MCP has a header for what it was about since this version. */
const STATELESS_SINCE = '2026-07-28'

/** Two of one of these, and two readers would read two requests. */
const SINGLE = ['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'last-event-id', 'x-api-key']

const headerOf = (rule: McpPrincipal): readonly string[] =>
  typeof rule === 'object' && 'header' in rule ? [rule.header.toLowerCase()] : []

const STOPPING: Problem = {
  problem: 'CANCELLED',
  detail: 'The proxy is stopping. Nothing was sent; call again when it runs again.',
  retryAfterMs: 1000,
}

const COMPRESSED: Problem = {
  problem: 'BAD_REQUEST',
  detail: 'The message is compressed, so nobody could say what it asks for. Nothing was done.',
}

const shortHash = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22)

/** Requests of one session have ids of their own; equal ids of two sessions never meet. */
const callId = ({ tenant, principal, session }: Who, id: string): string =>
  JSON.stringify([tenant, principal, session, idKey(id)])

function writeLine(outgoing: ServerResponse, line: string, status: number): void {
  const headers = [['content-type', 'application/json'] as const]
  writeAnswer(outgoing, { status, headers, body: line.trimEnd() })
}

/** Answers that a cancellation may still be under way for. */
const ANSWERED = 1_000
