import { AsyncLocalStorage } from 'node:async_hooks'
import { parseDuration } from '../contract/index.ts'
import type { FetchMaker, Send, SendPort } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { count } from './attempt-book.ts'
import { overBudget, spend, type RetryBudget } from './budget.ts'
import { carryKey, type Carried } from './carry.ts'
import { clientName } from './client-name.ts'
import { isRetried, linesOf, type LogicalRequest } from './lines.ts'
import { isRepeatable, readCall, traceOf, type Call } from './outgoing.ts'
import { providersByHost, type ProviderHosts, type Taker } from './provider-of-host.ts'
import { MOST_HOPS, nextHop, withoutCredentials, type NextHop } from './redirect.ts'
import { watchWire } from './wire/watch.ts'
import type { WireAttempt } from './wire/attempt.ts'

/** How a fetch carries keys and what it allows. */
export interface DownstreamOptions {
  /** Physical retries that are allowed; reads retry freely. @default 5 for a call of a tool, 50 for a run */
  readonly budget?: RetryBudget
  /** Providers behind hosts that the table does not know. @default none; such a host is given `Idempotency-Key` */
  readonly providers?: ProviderHosts
  /** False: requests are counted and name their run, but carry no key. @default true */
  readonly carries?: boolean
}

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Writes that are not idempotent by themselves (RFC 9110 section 9.2.2). */
const NEEDS_KEY = new Set(['POST', 'PATCH'])

interface Settings {
  readonly base: typeof fetch
  readonly takerOf: (url: URL) => Taker
  readonly budget: RetryBudget
  readonly carries: boolean
}

/**
 * `ctx.fetch`: carries the operation's key on every write in the provider's own form (unless the tool set one itself),
 * checks the attempt's deadline right before the send, and tells the engine of each send whether bytes left and what
 * came back. A repeat of a failed request with the same body is its retry and carries the same key. The attempt's
 * deadline ends what was not sent yet, never what was. A write is not redirected to another host: the caller is given
 * the 3xx answer. Throws RETRY_BUDGET_EXHAUSTED, and CONTRACT_INVALID for a keyless write of a `keyed` tool; nothing was
 * sent then.
 */
export function downstreamFetch(base: typeof fetch = fetch, options: DownstreamOptions = {}): FetchMaker {
  const { budget = {}, carries = true } = options
  const settings: Settings = { base, takerOf: providersByHost(options.providers), budget, carries }
  return (port) => (input, init) => sendFor(port, settings, input, init)
}

async function sendFor(
  port: SendPort,
  settings: Settings,
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  const call = await readCall(input, init)
  const send = port.opened()
  try {
    const request = linesOf(port).begin(`${call.method} ${call.url.pathname}`, traceOf(call.body))
    const isWrite = WRITES.has(call.method)
    const carried = isWrite && settings.carries ? carry(port, settings, call, request) : undefined
    if (port.run !== undefined && !call.headers.has('onefold-run')) call.headers.set('onefold-run', port.run)
    const body = carried === undefined ? call.body : carried.body
    const flight: Flight = {
      port,
      send,
      request,
      budget: settings.budget,
      method: call.method,
      origin: call.url.origin,
      keyless: carried?.by === 'nobody' && NEEDS_KEY.has(call.method),
      attempts: [],
      refusal: undefined,
      over: false,
    }
    return isWrite
      ? await writeOut(settings.base, call, body, flight)
      : await readOut(settings.base, call, body, flight)
  } catch (error) {
    send.error = error
    throw error
  }
}

/** Puts the key on, or refuses what the contract does not allow without one. */
function carry(port: SendPort, settings: Settings, call: Call, request: LogicalRequest): Carried {
  const taker = settings.takerOf(call.url)
  if (port.sequenceKey !== undefined) call.headers.set('onefold-sequence', port.sequenceKey)
  const carried = carryKey(taker, call, (provider) => port.downstreamKey(provider, request.operation, request.ordinal))
  const { recovery, tool } = port
  if (recovery?.class !== 'keyed' || !NEEDS_KEY.has(call.method)) return carried
  if (carried.by === 'nobody') {
    throw notAllowed(
      tool,
      call,
      `carries no key: ${carried.why}. Nothing was sent. Declare another recovery, or send what changes nothing with the global fetch.`,
    )
  }
  if (taker.window !== undefined && recovery.windowMs > parseDuration(taker.window, 'window')) {
    throw notAllowed(
      tool,
      call,
      `goes to ${taker.name ?? call.url.host}, which promises to honour a key for ${taker.window} only. Nothing was sent. Declare keyed('${taker.window}').`,
    )
  }
  return carried
}

const notAllowed = (tool: string, { method, url }: Call, why: string): OnefoldError =>
  new OnefoldError('CONTRACT_INVALID', `${tool} declares keyed() recovery, but its ${method} to ${url.host} ${why}`, {
    details: { tool, method, host: url.host },
  })

/** One call of the base fetch, for what the wire shows of it. */
interface Flight {
  readonly port: SendPort
  readonly send: Send
  readonly request: LogicalRequest
  readonly budget: RetryBudget
  readonly method: string
  readonly origin: string
  readonly keyless: boolean
  /** What was seen of this very request; empty where the base fetch does not go by a transport that can be watched. */
  readonly attempts: WireAttempt[]
  refusal: Error | undefined
  over: boolean
}

const flights = new AsyncLocalStorage<Flight>()
let watching = false

/** True while a `ctx.fetch` is making the request of this asynchronous context: its attempts are counted here. */
export const isCarried = (): boolean => flights.getStore()?.over === false

function onWire(attempt: WireAttempt): void {
  const flight = flights.getStore()
  if (flight === undefined || flight.over) return
  const { port, request } = flight
  const client = clientName(attempt.header, attempt.transport)
  const { url } = attempt
  const refusal = overBudget(port, request, flight.budget, client) ?? closedPort(port, attempt.method)
  count({
    tool: port.tool,
    host: url.host,
    client,
    request,
    call: port,
    refused: refusal !== undefined,
    keyless: flight.keyless,
  })
  if (refusal !== undefined) {
    flight.refusal = refusal
    attempt.refuse(refusal)
    return
  }
  spend(port, request)
  if (attempt.method !== flight.method || url.origin !== flight.origin) return
  flight.attempts.push(attempt)
  attempt.watch(({ type }) => {
    if (type === 'failed') request.settle('failed') // also where the answer breaks off after its head
  })
}

/** What forbids a write now, right before the client takes it over. */
function closedPort(port: SendPort, method: string): Error | undefined {
  if (!WRITES.has(method)) return undefined
  try {
    port.checkpoint()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error('the attempt may no longer send', { cause: error })
  }
}

/** A read: the attempt's signal may cut it at any time. */
async function readOut(base: typeof fetch, call: Call, body: unknown, flight: Flight): Promise<Response> {
  const { signal } = flight.port
  const both = call.signal === undefined || call.signal === signal ? signal : AbortSignal.any([call.signal, signal])
  return await fly(flight, both, () => call.make(base, { body, signal: both, redirect: call.redirect }))
}

/** A write: the attempt's signal ends it only while no byte has left, and it does not leave for another host. */
async function writeOut(base: typeof fetch, call: Call, body: unknown, flight: Flight): Promise<Response> {
  const gate = new AbortController()
  const own = call.signal === flight.port.signal ? undefined : call.signal
  const signal = own === undefined ? gate.signal : AbortSignal.any([own, gate.signal])
  const close = (): void => {
    if (isProvenUnsent(flight)) gate.abort(flight.port.signal.reason)
  }
  flight.port.signal.addEventListener('abort', close)
  if (flight.port.signal.aborted) close()
  const redirect = call.redirect === 'follow' ? 'manual' : call.redirect
  try {
    let response = await fly(flight, signal, () => call.make(base, { body, signal, redirect }))
    if (call.redirect !== 'follow') return response
    let at: NextHop = { url: call.url, method: call.method, isRead: false }
    for (let hops = 0; hops < MOST_HOPS; hops += 1) {
      const next = nextHop(response, at.method, at.url)
      if (next === undefined || (!next.isRead && !isRepeatable(body))) return response
      await response.body?.cancel()
      if (next.isRead) {
        const headers = withoutCredentials(call.headers, call.url, next.url)
        return await base(next.url, { headers, signal })
      }
      const hop: Flight = { ...flight, origin: next.url.origin, method: next.method, attempts: [], over: false }
      response = await fly(hop, signal, () =>
        base(next.url, { method: next.method, headers: call.headers, signal, redirect, ...bodyOf(body) }),
      )
      at = next
    }
    return response
  } finally {
    flight.port.signal.removeEventListener('abort', close)
  }
}

const bodyOf = (body: unknown): RequestInit =>
  body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }

/** Calls the base fetch and learns what became of the request. */
async function fly(flight: Flight, signal: AbortSignal, make: () => Promise<Response>): Promise<Response> {
  const { port, send, request } = flight
  if (!watching) {
    watching = true
    watchWire(onWire)
  }
  const before = request.attempts
  try {
    signal.throwIfAborted()
    const refusal = overBudget(port, request, flight.budget, 'ctx.fetch')
    if (refusal !== undefined) throw refusal
    port.checkpoint()
  } catch (error) {
    request.settle('failed')
    throw error
  }
  // Until it is proven otherwise: what is asked of this send while it is under way must not be told "unsent".
  const wasUnsent = send.state === 'unsent'
  send.state = 'sent'
  try {
    const response = await flights.run(flight, make)
    send.state = 'answered'
    send.status = response.status
    request.settle(isRetried(response.status) ? 'failed' : 'answered')
    return response
  } catch (error) {
    request.settle('failed')
    if (wasUnsent && isProvenUnsent(flight)) send.state = 'unsent'
    throw flight.refusal ?? error
  } finally {
    flight.over = true
    if (request.attempts === before && flight.refusal === undefined) countUnseen(flight)
  }
}

/** Every attempt that the wire showed has sent nothing. Where it showed none, nothing is proven. */
const isProvenUnsent = ({ attempts, refusal }: Flight): boolean =>
  attempts.length > 0 ? attempts.every((attempt) => attempt.unsent()) : refusal !== undefined

/** A base fetch that goes by no transport that can be watched: one call is one attempt. */
function countUnseen(flight: Flight): void {
  const { port, request } = flight
  spend(port, request)
  count({
    tool: port.tool,
    host: new URL(flight.origin).host,
    client: 'fetch',
    request,
    call: port,
    refused: false,
    keyless: flight.keyless,
  })
}
