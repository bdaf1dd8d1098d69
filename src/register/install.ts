import {
  NEEDS_KEY,
  WRITES,
  clientName,
  closedPort,
  count,
  createLines,
  isCarried,
  isRetried,
  linesOf,
  movedTo,
  overBudget,
  providersByHost,
  spend,
  watchWire,
  type LogicalRequest,
  type WireAttempt,
} from '../downstream/index.ts'
import type { SendPort } from '../engine/index.ts'
import { NOBODY, ownerOfContext } from './attribute.ts'
import { injectKey } from './inject.ts'
import type { RegisterSettings } from './settings.ts'

/** Requests outside any run are counted, never keyed: their lines may be forgotten. */
const strays = createLines(10_000)

/**
 * From now on every HTTP request of this process is counted for the tool and the run that it belongs to; the writes of
 * a tool carry its operation's key, and are stopped before their first byte when the tool's attempt may no longer send
 * or a retry budget is used up. @returns stops it @throws OnefoldError CONFIG_INVALID for a provider that is not known
 */
export function install(settings: RegisterSettings = {}): () => void {
  const takerOf = providersByHost(settings.providers)
  const ignored = new Set(settings.ignore)
  return watchWire((attempt) => {
    if (isCarried()) return // counted, keyed and proven by ctx.fetch
    const { url, method } = attempt
    if (ignored.has(url.host) || ignored.has(url.hostname)) return
    const { payer, port } = ownerOfContext()
    const client = clientName(attempt)
    const lines = payer === NOBODY ? strays : linesOf(payer)
    const request = lines.begin(`${method} ${url.pathname}`, url.search, attempt.length, url.origin)
    const isWrite = WRITES.has(method)
    const refusal =
      (payer === NOBODY ? undefined : overBudget(payer, request, settings.budget ?? {}, client)) ??
      (isWrite && port !== undefined ? closedPort(port) : undefined)
    const keyed =
      refusal === undefined && isWrite && port !== undefined && injectKey(attempt, port, takerOf(url), request)
    count({
      tool: payer.tool,
      host: url.host,
      client,
      request,
      call: payer,
      refused: refusal !== undefined,
      keyless: port !== undefined && NEEDS_KEY.has(method) && !keyed,
    })
    if (refusal !== undefined) {
      request.settle('failed')
      attempt.refuse(refusal)
      return
    }
    spend(payer, request)
    follow(attempt, request)
    if (port?.checked === true) report(attempt, port, isWrite)
  })
}

/** What comes of an attempt later than the next one was made is no news of the request. */
function follow(attempt: WireAttempt, request: LogicalRequest): void {
  const { attempts: nth } = request
  const { method, url } = attempt
  let isAnswered = false
  attempt.watch((happening) => {
    if (request.attempts !== nth) return
    if (happening.type === 'answered') {
      const { status, location } = happening
      isAnswered = !isRetried(status)
      request.settle(isAnswered ? 'answered' : 'failed', movedTo(status, location, method, url))
    } else if (happening.type === 'failed' && !(isAnswered && happening.discarded)) request.settle('failed')
  })
}

/**
 * Tells the engine of the send. Only for a tool that declares `sends: 'checked'`: of any other, requests that are seen
 * here may not be all that it did (a database, a socket), and "nothing was sent" would prove nothing.
 */
function report(attempt: WireAttempt, port: SendPort, isWrite: boolean): void {
  const send = port.opened()
  if (!isWrite) send.isRead = true
  send.state = 'sent'
  attempt.watch((happening) => {
    if (happening.type === 'answered') {
      send.state = 'answered'
      send.status = happening.status
      if (happening.isDoubtful) send.isDoubtful = true
    } else if (happening.type === 'failed') {
      send.error = happening.error
      if (attempt.unsent()) send.state = 'unsent'
    }
  })
}
