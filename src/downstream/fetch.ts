import { knownOptions, parseDuration, type NamesOf } from '../contract/index.ts'
import { headerText, type FetchMaker, type SendPort } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { checkedBudget, type RetryBudget } from './budget.ts'
import { carryKey, textOf, type Carried } from './carry.ts'
import { fly, type Flight } from './flight.ts'
import { linesOf, type LogicalRequest } from './lines.ts'
import { NEEDS_KEY, WRITES } from './methods.ts'
import { isRepeatable, readCall, traceOfCall, type Call } from './outgoing.ts'
import { providersByHost, type ProviderHosts, type Taker } from './provider-of-host.ts'
import { MOST_HOPS, nextHop, withoutCredentials, type NextHop } from './redirect.ts'

/** How a fetch carries keys and what it allows. */
export interface DownstreamOptions {
  /** Physical retries that are allowed; reads retry freely. @default 5 for a call of a tool, 50 for a run */
  readonly budget?: RetryBudget
  /** Providers behind hosts that the table does not know. @default none; such a host is given `Idempotency-Key` */
  readonly providers?: ProviderHosts
  /** False: requests are counted and name their run, but carry no key. @default true */
  readonly carries?: boolean
}

const NAMES: NamesOf<DownstreamOptions> = { budget: true, providers: true, carries: true }

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
 * @throws OnefoldError CONFIG_INVALID for an option that there is not
 */
export function downstreamFetch(base: typeof fetch = fetch, options: DownstreamOptions = {}): FetchMaker {
  const { budget = {}, carries = true } = knownOptions('downstream', options, NAMES)
  const settings: Settings = {
    base,
    takerOf: providersByHost(options.providers),
    budget: checkedBudget(budget),
    carries,
  }
  return (port) => (input, init) => sendFor(port, settings, input, init)
}

async function sendFor(
  port: SendPort,
  settings: Settings,
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
): Promise<Response> {
  const send = port.opened()
  try {
    // What cannot be read (an address that is none, a body that was used) is a request that was never made.
    const call = await readCall(input, init)
    const isWrite = WRITES.has(call.method)
    if (isWrite) port.carries(() => writtenIn(call))
    else send.isRead = true
    const { method, url } = call
    const request = linesOf(port).begin(`${method} ${url.pathname}`, url.search, traceOfCall(call), url.origin)
    const carried = isWrite && settings.carries ? carry(port, settings, call, request) : undefined
    if (port.run !== undefined && !call.headers.has('onefold-run'))
      call.headers.set('onefold-run', headerText(port.run))
    const body = carried === undefined ? call.body : carried.body
    const flight: Flight = {
      port,
      send,
      request,
      budget: settings.budget,
      method,
      url,
      isWrite,
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

/** Wherever a tool may have written a key. */
const writtenIn = ({ url, headers, body }: Call): string => [url.href, ...headers.values(), textOf(body)].join('\n')

/** Puts the key on, or refuses what the contract does not allow without one. */
function carry(port: SendPort, settings: Settings, call: Call, request: LogicalRequest): Carried {
  const taker = settings.takerOf(call.url)
  if (port.sequenceKey !== undefined) call.headers.set('onefold-sequence', headerText(port.sequenceKey))
  const keys = {
    make: (provider: string | undefined) => port.downstreamKey(provider, request.operation, request.ordinal),
    isIn: (text: string) => port.holdsKey(text),
  }
  const carried = carryKey(taker, call, keys)
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

/** A read: the attempt's signal may cut it at any time. */
async function readOut(base: typeof fetch, call: Call, body: unknown, flight: Flight): Promise<Response> {
  const { signal } = flight.port
  const both = call.signal === undefined || call.signal === signal ? signal : AbortSignal.any([call.signal, signal])
  return await fly(flight, both, () => call.make(base, { body, signal: both, redirect: call.redirect }))
}

/** A write: the attempt's signal ends it only while no byte has left, and it does not leave for another host. */
async function writeOut(base: typeof fetch, call: Call, body: unknown, flight: Flight): Promise<Response> {
  const signal = call.signal === flight.port.signal ? undefined : call.signal
  const cut = { signal: signal ?? null } // null takes off the attempt's own, which the arguments may hold
  const redirect = call.redirect === 'follow' ? 'manual' : call.redirect
  let response = await fly(flight, signal, () => call.make(base, { body, signal, redirect }))
  if (call.redirect !== 'follow') return response
  let at: NextHop = { url: call.url, method: call.method, isRead: false }
  for (let hops = 0; hops < MOST_HOPS; hops += 1) {
    const next = nextHop(response, at.method, at.url)
    if (next === undefined || (!next.isRead && !isRepeatable(call, body))) return response
    await response.body?.cancel()
    if (next.isRead) {
      const headers = withoutCredentials(call.headers, call.url, next.url)
      const read: Flight = {
        ...flight,
        send: { state: 'unsent' }, // the write is answered; what becomes of this read says nothing of it
        request: linesOf(flight.port).begin(`GET ${next.url.pathname}`, next.url.search, undefined),
        method: 'GET',
        url: next.url,
        isWrite: false,
        keyless: false,
        attempts: [],
        over: false,
      }
      return await fly(read, signal, () =>
        base(next.url, { ...call.init, method: 'GET', headers, body: null, redirect: 'follow', ...cut }),
      )
    }
    const hop: Flight = { ...flight, url: next.url, method: next.method, attempts: [], over: false }
    response = await fly(hop, signal, () =>
      base(next.url, { ...call.init, method: next.method, headers: call.headers, redirect, ...cut, ...bodyOf(body) }),
    )
    at = next
  }
  return response
}

const bodyOf = (body: unknown): RequestInit => ({ body: (body as RequestInit['body']) ?? null })
