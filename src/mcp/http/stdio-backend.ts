import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { UnsentError } from '../../engine/index.ts'
import { writeAnswer } from '../../http/edge/index.ts'
import { problemAnswer, type Answer, type Problem } from '../../http/exchange/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { envelopeOf } from '../proxy/envelope.ts'
import { HttpRefused } from '../proxy/http-refused.ts'
import { callsOver, type OwnCall, type OwnCalls } from '../proxy/own-calls.ts'
import type { Backend, Exchange, Who } from './backend.ts'
import type { BackendContext } from './front.ts'
import { ANYBODY, principalOf } from './known-callers.ts'
import type { ServerFacts } from './mirrors.ts'
import { createParamHeaders } from './param-headers.ts'
import { createRelay } from './relay.ts'
import { createSharedProcess } from './shared-process.ts'
import { startStdioProcess, type StdioCommand, type StdioProcess } from './stdio-process.ts'

export interface StdioBackendOptions extends StdioCommand, BackendContext {
  readonly tell: (message: string) => void
  /** Processes at once, one a session of MCP 2025-11-25. @default 100 */
  readonly sessions?: number
}

interface Session {
  readonly id: string
  readonly who: Who
  readonly process: StdioProcess
  /** Guarded calls that have been sent, each until its answer or its deadline. */
  readonly calls: Set<Promise<void>>
  /** Where the count of requests stood when the session was last asked for something. */
  lastUsed: number
}

/**
 * A stdio server behind HTTP. Before MCP 2026-07-28 a session is a connection with a state of its own, so each has a
 * process of its own; from then on requests stand alone, and one process answers all of them.
 */
export function stdioBackend(options: StdioBackendOptions): Backend {
  const sessions = new Map<string, Session>()
  const most = options.sessions ?? 100
  const facts: ServerFacts = { params: createParamHeaders(), supported: undefined }
  const shared = createSharedProcess(() => start(true), facts, options.tell)
  let closing = false
  let uses = 0
  let lastEnvelope: string | undefined

  /** What a server lists is also what its callers are held to. */
  function rewrite(method: string): ((result: string) => string) | undefined {
    const next = options.rewrite(method)?.rewrite
    if (method === 'tools/list')
      return (result) => {
        facts.params.learn(result)
        return next?.(result) ?? result
      }
    if (method !== 'server/discover') return next
    return (result) => {
      const { supportedVersions } = JSON.parse(result) as { supportedVersions?: unknown }
      if (Array.isArray(supportedVersions)) facts.supported = supportedVersions.filter((one) => typeof one === 'string')
      return next?.(result) ?? result
    }
  }

  function start(shared: boolean): StdioProcess {
    let count = 0
    const stream = randomUUID()
    return startStdioProcess({
      ...options,
      shared,
      rewrite,
      maxMessageBytes: options.limits.messageBytes,
      eventId: shared ? undefined : () => `${stream}:${(count += 1)}`,
    })
  }

  /** The session that a request names, if it is this caller's. */
  function sessionOf(who: Who): Session | undefined {
    const session = who.session === undefined ? undefined : sessions.get(who.session)
    // Where the session itself tells callers apart, its name is the proof.
    const same = session?.who.principal === who.principal || who.principal.startsWith('s:')
    if (session === undefined || !same || session.who.tenant !== who.tenant) return undefined
    session.lastUsed = uses += 1
    return session
  }

  /** A session of the same principal: its process is as good as the one that the operation went to. */
  const equalSession = ({ run }: OwnCall['operation']): Session | undefined =>
    Array.from(sessions.values()).find(
      ({ who }) => who.principal === principalOf(run) && (who.tenant ?? run?.tenant) === run?.tenant,
    )

  /** Clients go away without a word: the session makes room that has been silent for longest, and waits for nothing. */
  async function endIdle(): Promise<void> {
    let idle: Session | undefined
    for (const session of sessions.values())
      if (session.process.isIdle() && (idle === undefined || session.lastUsed < idle.lastUsed)) idle = session
    if (idle === undefined) return
    sessions.delete(idle.id)
    await idle.process.upstream.stop(STOP_MS)
  }

  async function initialize({ relay, message, body, id, outgoing, who }: Exchange): Promise<void> {
    if (sessions.size >= most && !closing) void endIdle()
    if (sessions.size >= most || closing) {
      const detail = `More than ${most} sessions are open. Nothing was done.`
      return refuse(outgoing, { problem: 'TOO_MANY', detail, retryAfterMs: 1000 })
    }
    const process = start(false)
    try {
      await process.upstream.started
    } catch (error) {
      options.tell(`cannot start ${options.command}: ${error instanceof Error ? error.message : String(error)}`)
      return refuse(outgoing, { problem: 'UPSTREAM_DOWN', detail: 'The MCP server cannot be started.' })
    }
    const session: Session = { id: randomUUID(), who, process, calls: new Set(), lastUsed: (uses += 1) }
    sessions.set(session.id, session)
    void process.upstream.exited.then(() => sessions.delete(session.id))
    relay.head(200, [['mcp-session-id', session.id]])
    process.ask(body.toString('utf8'), id as string, message.kind === 'other' ? (message.method ?? '') : '', relay)
  }

  /** 400 without a session, 404 for one that is not there (MCP 2025-11-25, session management). */
  function noSession(who: Who, id: string | undefined): Answer {
    const [status, message] =
      who.session === undefined ? [400, 'Bad Request: Mcp-Session-Id header is required'] : [404, 'Session not found']
    const line = errorLine(id ?? 'null', JSON.stringify({ code: status === 404 ? -32001 : -32000, message }))
    return { status, headers: [['content-type', 'application/json']], body: line.trimEnd() }
  }

  const own: OwnCalls = {
    call: async (given, beforeByte, about) => {
      const known = options.callers.of(given.operation)
      const session = known?.session === undefined ? undefined : sessions.get(known.session)
      const process = (session ?? equalSession(given.operation))?.process
      // No credentials get as far as a process, so anybody's envelope does for the operations of anybody.
      const anybody = ANYBODY.has(principalOf(given.operation.run) ?? '') ? lastEnvelope : undefined
      const envelope = known?.envelope ?? (process === undefined ? anybody : undefined)
      if (envelope !== undefined) return await shared.own(envelope).call(given, beforeByte, about)
      if (process === undefined) throw new UnsentError('nobody who is allowed to ask has a session')
      return await callsOver(process.upstream, () => undefined).call(given, beforeByte, about)
    },
    isWorkingOn: (operation) =>
      shared.isWorkingOn(operation) ||
      Array.from(sessions.values()).some(({ process }) => process.upstream.isWorkingOn(operation)),
  }

  return {
    own,

    send: (exchange) => async (build, beforeByte, about) => {
      if (exchange.stateless) {
        lastEnvelope = envelopeOf(exchange.message) ?? lastEnvelope
        return await shared.send(exchange, build, beforeByte, about)
      }
      const session = sessionOf(exchange.who)
      if (session === undefined) throw new HttpRefused(noSession(exchange.who, exchange.id))
      prime(exchange, session)
      const { written, ended } = session.process.accompany(exchange.message.text, exchange.relay)
      try {
        const request = session.process.upstream.request((id) => written(build(id)), beforeByte, about)
        const over = untilOver(request, about.signal)
        session.calls.add(over)
        void over.then(() => session.calls.delete(over))
        return await request
      } finally {
        ended()
      }
    },

    async pass(exchange) {
      const { message, outgoing, who, id, body, relay, stateless } = exchange
      if (stateless) return await shared.pass(exchange)
      if (message.kind === 'other' && message.method === 'initialize' && id !== undefined)
        return await initialize(exchange)
      const session = sessionOf(who)
      if (session === undefined) return writeAnswer(outgoing, noSession(who, id))
      const text = body.toString('utf8')
      if (id === undefined) {
        session.process.tell(text)
        outgoing.writeHead(202).end()
        return
      }
      const method = message.kind === 'other' ? (message.method ?? '') : 'tools/call'
      prime(exchange, session)
      session.process.ask(text, id, method, relay)
    },

    listen(incoming, outgoing, who) {
      const session = sessionOf(who)
      if (session === undefined) writeAnswer(outgoing, noSession(who, undefined))
      else if (incoming.headers.accept?.includes('text/event-stream') !== true)
        refuse(outgoing, { problem: 'BAD_REQUEST', detail: 'A GET asks for text/event-stream.' })
      else {
        const relay = createRelay(outgoing)
        relay.open()
        outgoing.once('close', session.process.listen(relay))
      }
      return Promise.resolve()
    },

    async end(_incoming, outgoing, who) {
      const session = sessionOf(who)
      if (session === undefined) return writeAnswer(outgoing, noSession(who, undefined))
      sessions.delete(session.id)
      outgoing.writeHead(200).end()
      // What has started goes on into the ledger, whoever leaves: ended now, it would be a doubt.
      await Promise.all(session.calls)
      await session.process.upstream.stop(STOP_MS)
    },

    other(incoming, outgoing) {
      const known = incoming.method === 'GET' || incoming.method === 'POST'
      const answer = problemAnswer('ietf', { problem: 'BAD_REQUEST', detail: 'There is nothing here.' })
      writeAnswer(outgoing, { ...answer, status: known ? 404 : 405 })
      return Promise.resolve()
    },

    async close(graceMs) {
      closing = true
      const all = Array.from(sessions.values(), ({ process }) => process.upstream.stop(graceMs))
      await Promise.all([...all, shared.close(graceMs)])
    },
  }
}

const STOP_MS = 2_000

const untilOver = (request: Promise<unknown>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => resolve()
    request.then(over, over)
    signal.addEventListener('abort', over, { once: true })
  })

/**
 * An event before there is anything to say, so that a client whose connection breaks can come back for the rest (MCP
 * 2025-11-25, Streamable HTTP, sending messages).
 */
function prime({ incoming, relay }: Exchange, { process }: Session): void {
  const version = incoming.headers['mcp-protocol-version']
  if (typeof version !== 'string' || version < PRIMED_SINCE) return
  if (incoming.headers.accept?.includes('text/event-stream') !== true) return
  const id = process.nextEventId()
  if (id !== undefined) relay.event(`id: ${id}\nretry: ${RETRY_MS}\ndata: \n\n`, id)
}

const PRIMED_SINCE = '2025-11-25'
const RETRY_MS = 1_000

function refuse(outgoing: ServerResponse, problem: Problem): void {
  writeAnswer(outgoing, problemAnswer('ietf', problem))
}
