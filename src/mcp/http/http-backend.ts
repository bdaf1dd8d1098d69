import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { UnsentError } from '../../engine/index.ts'
import { createUpstream, endToEnd, forwardedHeaders, writeAnswer, type ForwardOptions } from '../../http/edge/index.ts'
import { downAnswer, type Answer } from '../../http/exchange/index.ts'
import { callMessage } from '../proxy/call-message.ts'
import { HttpRefused } from '../proxy/http-refused.ts'
import { errorLine, resultLine, resultStart } from '../proxy/answers.ts'
import type { Listing } from '../proxy/listed-contracts.ts'
import type { OwnCall } from '../proxy/own-calls.ts'
import { UpstreamDied, type RequestAbout, type UpstreamAnswer } from '../proxy/upstream.ts'
import type { Backend } from './backend.ts'
import type { KnownCallers } from './known-callers.ts'
import { createParamHeaders, encodedHeader } from './param-headers.ts'
import { readUpstreamAnswer, type ReadOptions } from './read-answer.ts'
import { at } from './rewriting.ts'
import { sentElsewhere } from './sent-elsewhere.ts'
import { createRelay, type Relay } from './relay.ts'

export interface HttpBackendOptions {
  readonly url: URL
  readonly callers: KnownCallers
  /** What becomes of the results of a method that passes; undefined for those that go on as they come. */
  readonly rewrite: (method: string) => Listing | undefined
  /** Told of every notification of the server. */
  readonly heard: (method: string) => void
  readonly maxMessageBytes: number
  readonly silenceMs: number
}

/** An MCP server over Streamable HTTP. */
export function httpBackend(options: HttpBackendOptions): Backend {
  const { url, callers } = options
  const upstream = createUpstream(new URL(url.origin), { silenceMs: options.silenceMs })
  const forward: ForwardOptions = { host: url.host, preserveHost: false }
  const endpointOf = (search: string): string => url.pathname + search
  const params = createParamHeaders()
  const working = new Map<string, number>()
  const reading: ReadOptions = { maxBytes: options.maxMessageBytes, heard: options.heard }

  async function whileWorking<T>(operation: string | undefined, work: Promise<T>): Promise<T> {
    if (operation === undefined) return await work
    working.set(operation, (working.get(operation) ?? 0) + 1)
    try {
      return await work
    } finally {
      const left = (working.get(operation) ?? 1) - 1
      if (left === 0) working.delete(operation)
      else working.set(operation, left)
    }
  }

  async function post(
    search: string,
    headers: string[],
    text: string,
    checkpoint: (() => void) | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const body = Buffer.from(text)
    headers.push('content-length', String(body.byteLength))
    const answer = await upstream.send({
      method: 'POST',
      target: endpointOf(search),
      headers,
      body,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      signal,
    })
    const elsewhere = sentElsewhere(answer, url)
    if (elsewhere === undefined) return answer
    answer.resume()
    throw new HttpRefused(elsewhere, answer.statusCode)
  }

  /** The answer to one request, over as many streams as the server makes of it. */
  async function answered(
    id: string,
    first: IncomingMessage,
    relay: Relay | undefined,
    again: ((lastId: string) => Promise<IncomingMessage>) | undefined,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    for (let incoming = first; ;) {
      const read = await readUpstreamAnswer(incoming, id, relay, reading)
      // Only lists are asked about.
      if (read.kind === 'before') throw broke()
      if (read.kind !== 'paused') return read
      if (read.lastId === undefined || again === undefined) throw broke()
      // SEP-1699: a server may end a stream and mean its client to come back for the rest.
      relay?.pause()
      await pause(read.retryMs ?? RETRY_MS, signal)
      incoming = await again(read.lastId).catch((error: unknown) => {
        throw new UpstreamDied(broke().message, (error as { code?: string }).code ?? 'ECONNRESET')
      })
      if (incoming.statusCode !== 200) {
        incoming.resume()
        throw broke()
      }
    }
  }

  const resumed =
    (search: string, headersFor: () => string[], signal: AbortSignal) =>
    (lastId: string): Promise<IncomingMessage> =>
      upstream.send({
        method: 'GET',
        target: endpointOf(search),
        headers: [...headersFor(), 'last-event-id', lastId],
        body: undefined,
        signal,
      })

  const FOR_GET = [['accept', 'text/event-stream'] as const, ['accept-encoding', 'identity'] as const]

  return {
    send: (exchange) => async (build, beforeByte, about) => {
      const { incoming, relay, who } = exchange
      const id = exchange.id as string
      const headers = forwardedHeaders(incoming, forward, IDENTITY)
      const sent = post(who.search, headers, build(id), beforeByte, about.signal)
      return await whileWorking(
        about.operation,
        sent
          .then((first) =>
            answered(
              id,
              first,
              relay,
              exchange.stateless
                ? undefined
                : resumed(who.search, () => withoutBody(forwardedHeaders(incoming, forward, FOR_GET)), about.signal),
              about.signal,
            ),
          )
          .catch(asUpstreamError),
      )
    },

    async pass({ incoming, outgoing, body, message, id, who }) {
      const method = message.kind === 'other' ? message.method : message.kind === 'call' ? 'tools/call' : undefined
      const rewrite = method === undefined || id === undefined ? undefined : options.rewrite(method)
      const headers = forwardedHeaders(incoming, forward, rewrite === undefined ? [] : IDENTITY)
      headers.push('content-length', String(body.byteLength))
      const gone = new AbortController()
      outgoing.once('close', () => outgoing.writableFinished || gone.abort())
      let answer: IncomingMessage
      try {
        answer = await upstream.send({
          method: 'POST',
          target: endpointOf(who.search),
          headers,
          body,
          signal: gone.signal,
        })
      } catch (error) {
        return tellDown(outgoing, error)
      }
      if (rewrite === undefined || id === undefined || answer.statusCode !== 200)
        return streamTo(answer, outgoing, sentElsewhere(answer, url))
      outgoing.once('close', () => answer.destroy())
      // Nothing of it is kept: a client that comes back for it comes back to the server, whose events these are.
      const relay = createRelay(outgoing)
      try {
        const read = await readUpstreamAnswer(answer, id, relay, { ...reading, before: rewrite.before })
        if (read.kind === 'paused') return read.lastId === undefined ? relay.broken() : relay.pause()
        if (read.kind === 'before') return relay.line([Buffer.from(resultStart(id)), read.rest.subarray(0, -1)])
        if (read.kind === 'error') return relay.line(errorLine(id, read.json))
        const { json, bytes } = read
        if (method === 'tools/list') params.learn(json)
        relay.line(resultLine(id, bytes === undefined ? rewrite.rewrite(json) : rewrite.rewriteIn(bytes, json)))
      } catch (error) {
        if (error instanceof HttpRefused) relay.whole(error.response)
        else relay.broken()
      }
    },

    listen: (incoming, outgoing, { search }) => through('GET', endpointOf(search), incoming, outgoing),
    end: (incoming, outgoing, { search }) => through('DELETE', endpointOf(search), incoming, outgoing),
    other: (incoming, outgoing, target, body) =>
      through(incoming.method ?? 'GET', target.path + target.search, incoming, outgoing, body),

    own: {
      isWorkingOn: (operation) => working.has(operation),
      call: async (given, beforeByte, about) => await ownCall(given, beforeByte, about),
    },

    close: () => {
      upstream.close()
      return Promise.resolve()
    },
  }

  /** Streamed through in both directions, given up with its client. */
  async function through(
    method: string,
    target: string,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    received?: Uint8Array,
  ): Promise<void> {
    const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers
    const hasBody = length !== undefined || coding !== undefined
    const headers = forwardedHeaders(incoming, forward, [])
    if (length !== undefined) headers.push('content-length', length)
    else if (hasBody) headers.push('transfer-encoding', 'chunked')
    const gone = new AbortController()
    outgoing.once('close', () => outgoing.writableFinished || gone.abort())
    try {
      const answer = await upstream.send({
        method,
        target,
        headers,
        body: hasBody ? (received ?? incoming) : undefined,
        signal: gone.signal,
      })
      // What stands beside the endpoint may send people anywhere, as a log-in does.
      streamTo(answer, outgoing, target.split('?')[0] === url.pathname ? sentElsewhere(answer, url) : undefined)
    } catch (error) {
      tellDown(outgoing, error)
    }
  }

  /** What a call repeats of itself in headers (MCP 2026-07-28, Streamable HTTP). */
  function mirrorsOf(tool: string, message: string): readonly string[] {
    const given = at(message, ['params', 'arguments'])
    const args: unknown = given === undefined ? {} : JSON.parse(message.slice(given.start, given.end))
    return ['mcp-method', 'tools/call', 'mcp-name', encodedHeader(tool), ...params.of(tool, args)]
  }

  /** A call of the proxy's own, let in as the one for whom it is. */
  async function ownCall(
    { tool, argumentsJson, placed, operation }: OwnCall,
    beforeByte: () => void,
    about: RequestAbout,
  ): Promise<UpstreamAnswer> {
    const known = callers.of(operation)
    // Without its credentials and its session it would be refused, which proves nothing about the first send.
    if (known === undefined) throw new UnsentError('nobody who is allowed to ask has asked since')
    const id = `"onefold-${randomUUID()}"`
    const message = callMessage(id, tool, argumentsJson, placed, known.envelope)
    const headers = [
      'host',
      url.host,
      'content-type',
      'application/json',
      'accept',
      'application/json, text/event-stream',
      'accept-encoding',
      'identity',
      ...(known.protocol === undefined ? [] : ['mcp-protocol-version', known.protocol]),
      ...(known.envelope === undefined ? [] : mirrorsOf(tool, message)),
      ...(known.session === undefined ? [] : ['mcp-session-id', known.session]),
      ...known.headers,
    ]
    const sent = post(known.search, headers, message, beforeByte, about.signal)
    const answer = whileWorking(
      about.operation,
      sent.then((first) => answered(id, first, undefined, undefined, about.signal)).catch(asUpstreamError),
    )
    return await answer.catch((error: unknown) => {
      // Refused at the door with what this process knows of the caller: it says nothing about the first send.
      if (!(error instanceof HttpRefused && error.beforeCall)) throw error
      callers.refused(operation.key)
      throw new UnsentError(error.message, { cause: error })
    })
  }
}

const RETRY_MS = 1_000
/** An answer that this process reads must not be compressed. */
const IDENTITY = [['accept-encoding', 'identity']] as const

const broke = (): UpstreamDied =>
  new UpstreamDied('the connection to the MCP server broke before it answered', 'ECONNRESET')

/** The connection's own errors come with codes that say how; all of them mean the same to a caller. */
function asUpstreamError(error: unknown): never {
  if (error instanceof UnsentError || error instanceof HttpRefused || error instanceof UpstreamDied) throw error
  const code = (error as { code?: unknown }).code
  throw typeof code === 'string' ? new UpstreamDied(broke().message, code) : error
}

/** The headers of a request with a body, for one without. */
function withoutBody(headers: readonly string[]): string[] {
  const out: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    if (name !== 'content-type' && name !== 'content-length') out.push(headers[at] as string, headers[at + 1] as string)
  }
  return out
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(ms, LONGEST_RETRY_MS))
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}

const LONGEST_RETRY_MS = 30_000

/** The server cannot be reached for something that is no guarded write. */
function tellDown(outgoing: ServerResponse, error: unknown): void {
  if (!outgoing.destroyed) writeAnswer(outgoing, downAnswer('ietf', 'the MCP server', error))
}

/** An answer as it comes, to its end; `instead`: what is told in its place. */
function streamTo(answer: IncomingMessage, outgoing: ServerResponse, instead?: Answer): void {
  if (instead !== undefined) {
    answer.resume()
    return writeAnswer(outgoing, instead)
  }
  const flat: string[] = []
  for (const [name, value] of endToEnd(answer.rawHeaders, answer.headers.connection)) flat.push(name, value)
  const length = answer.headers['content-length']
  if (length !== undefined) flat.push('content-length', length)
  if (outgoing.destroyed) return void answer.destroy()
  outgoing.writeHead(answer.statusCode ?? 502, flat)
  outgoing.flushHeaders()
  // What broke off must not look like a whole answer.
  pipeline(answer, outgoing, () => undefined)
}
