import { AsyncLocalStorage } from 'node:async_hooks'
import type { Send, SendPort } from '../engine/index.ts'
import { count } from './attempt-book.ts'
import { overBudget, spend, type RetryBudget } from './budget.ts'
import { clientName } from './client-name.ts'
import { isRetried, type LogicalRequest } from './lines.ts'
import { movedTo } from './redirect.ts'
import { saysDoubt } from './says-doubt.ts'
import type { WireAttempt } from './wire/attempt.ts'
import { watchWire } from './wire/watch.ts'

/** One call of the base fetch, for what the wire shows of it. */
export interface Flight {
  readonly port: SendPort
  readonly send: Send
  readonly request: LogicalRequest
  readonly budget: RetryBudget
  readonly method: string
  readonly url: URL
  readonly isWrite: boolean
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

/**
 * Calls the base fetch and learns what became of the request. @throws OnefoldError RETRY_BUDGET_EXHAUSTED, or
 * CANCELLED when the attempt may no longer send; the send is then unsent
 */
export async function fly(
  flight: Flight,
  signal: AbortSignal | undefined,
  make: () => Promise<Response>,
): Promise<Response> {
  const { port, send, request } = flight
  if (!watching) {
    watching = true
    watchWire(onWire)
  }
  const before = request.attempts
  try {
    signal?.throwIfAborted()
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
  if (flight.isWrite) aloftOf(port).add(flight)
  try {
    const response = await flights.run(flight, make)
    send.state = 'answered'
    send.status = response.status
    const { status, headers } = response
    if (saysDoubt(headers.get('onefold-outcome'))) send.isDoubtful = true
    const moved = movedTo(status, headers.get('location') ?? undefined, flight.method, flight.url)
    request.settle(isRetried(status) ? 'failed' : 'answered', moved)
    return response
  } catch (error) {
    request.settle('failed')
    if (wasUnsent && isProvenUnsent(flight)) send.state = 'unsent'
    throw flight.refusal ?? error
  } finally {
    flight.over = true
    aloft.get(port)?.delete(flight)
    if (request.attempts === before && flight.refusal === undefined) countUnseen(flight)
  }
}

function onWire(attempt: WireAttempt): void {
  const flight = flights.getStore()
  if (flight === undefined || flight.over) return
  const { port, request } = flight
  const { url } = attempt
  const client = clientName(attempt)
  const isThis = attempt.method === flight.method && url.origin === flight.url.origin
  const refusal = overBudget(port, request, flight.budget, client) ?? (flight.isWrite ? closedPort(port) : undefined)
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
    if (isThis) flight.refusal = refusal
    attempt.refuse(refusal)
    return
  }
  spend(port, request)
  if (!isThis) return
  flight.attempts.push(attempt)
  const { attempts: nth } = request
  let isAnswered = false
  attempt.watch((happening) => {
    if (request.attempts !== nth) return // what comes later than the next attempt is no news
    if (happening.type === 'answered') isAnswered = !isRetried(happening.status)
    // Also where the answer breaks off after its head, which one that nobody wants the rest of does not.
    else if (happening.type === 'failed' && !(isAnswered && happening.discarded)) request.settle('failed')
  })
}

/** Writes under way, by the port that they are sent under. */
const aloft = new WeakMap<SendPort, Set<Flight>>()

/**
 * When the attempt is aborted, its writes that have not begun to leave are ended; those that have go on, since their
 * answers still count (protocol.md section 8, abort by phase).
 */
function aloftOf(port: SendPort): Set<Flight> {
  const known = aloft.get(port)
  if (known !== undefined) return known
  const set = new Set<Flight>()
  aloft.set(port, set)
  port.signal.addEventListener('abort', () => {
    const refusal = closedPort(port) ?? asError(port.signal.reason)
    for (const flight of set) {
      for (const attempt of flight.attempts.filter((one) => one.unsent())) attempt.refuse(refusal)
    }
  })
  return set
}

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new Error('the attempt was aborted', { cause: reason })

/** What forbids a write now, right before the client takes it over. */
export function closedPort(port: SendPort): Error | undefined {
  try {
    port.checkpoint()
    return undefined
  } catch (error) {
    return asError(error)
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
    host: flight.url.host,
    client: 'fetch',
    request,
    call: port,
    refused: false,
    keyless: flight.keyless,
  })
}
