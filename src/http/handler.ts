import type { ToolContext } from '../contract/index.ts'
import type { Guard } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { checked, createProtector, isPlanned, tooLarge, type Matched, type Protector } from './protector.ts'
import { answerFrom, headersOf, responseOf, type HttpOptions } from './route.ts'
import { isSuccessHere, type Answer, type RequestFacts } from './exchange/index.ts'

/** What a protected handler is given beside the request: the key to hand on, `fetch` that carries it, the run. */
export type HandlerContext = ToolContext

/**
 * A handler of the Fetch kind. `context` is undefined for requests that pass: reads, and what is left open.
 * `again` of a recovery calls it with a fresh Request and without the client's credentials.
 */
export type FetchHandler = (request: Request, context: HandlerContext | undefined) => Promise<Response> | Response

/**
 * Wraps a handler so that every declared write happens once: the first request runs it, repeats get its answer.
 * The handler is not tied to the client: one that goes away leaves it running into the ledger.
 * @throws OnefoldError CONTRACT_INVALID
 * @example
 * const handle = protectHandler(guard, { routes: [{ match: 'POST /orders', recovery: manual() }] }, (request) => app.fetch(request))
 */
export function protectHandler(
  guard: Guard,
  options: HttpOptions,
  handler: FetchHandler,
): (request: Request) => Promise<Response> {
  // Found out at the first write, it would be a doubt for a person.
  if (typeof (handler as unknown) !== 'function')
    throw new OnefoldError(
      'CONFIG_INVALID',
      'protectHandler has no handler. Write protectHandler(guard, options, (request) => app.fetch(request)). Nothing was registered.',
    )
  const protector = createProtector(
    guard,
    options,
    async (request, _params, context) => await handler(request, context),
  )
  return async (request) => {
    const { pathname } = new URL(request.url)
    const matched = protector.match(request.method, pathname)
    if (matched === undefined) return await handler(request, undefined)
    if (!isPlanned(matched)) return responseOf(matched)
    return await performFetch(protector, matched, request, handler)
  }
}

/** One write of the Fetch kind through the ledger. */
export async function performFetch(
  protector: Protector,
  matched: Matched,
  request: Request,
  handler: (request: Request, context: ToolContext) => Promise<Response> | Response,
): Promise<Response> {
  const bytes = new Uint8Array(await request.arrayBuffer())
  if (bytes.byteLength > protector.bodyBytes) return responseOf(tooLarge(protector))
  const facts = factsOf(request, bytes, matched.params)
  let begin = (_response: Response): void => {}
  const live = new Promise<Response>((resolve) => (begin = resolve))
  const send = async (context: ToolContext): Promise<Answer> => {
    checked()
    // A key of the client's is the same on every attempt as well, and the handler may send under it.
    if (request.headers.has('idempotency-key')) void context.key
    // A request of its own: the client's signal must not reach what has begun.
    const fresh = new Request(request.url, {
      method: request.method,
      headers: request.headers,
      ...(bytes.byteLength === 0 ? {} : { body: bytes }),
    })
    const response = await handler(fresh, context)
    // What another answer than a success means is known at its end, and told at its head.
    const isLive = isSuccessHere(response.status, matched.plan.errors) && isEventStream(response)
    return isLive ? await shared(response, begin) : await answerFrom(response)
  }
  const told = protector.perform(matched, facts, send, request.signal).then(responseOf)
  return await Promise.race([told, live])
}

/** What the engine needs to know of a request. */
export function factsOf(
  request: Pick<Request, 'method' | 'url' | 'headers'>,
  bytes: Uint8Array,
  params: Readonly<Record<string, string>>,
): RequestFacts {
  const { host, pathname, search } = new URL(request.url)
  return {
    method: request.method,
    path: pathname,
    search,
    params,
    headers: { host, ...Object.fromEntries(request.headers) },
    body: bytes.byteLength === 0 ? { kind: 'none' } : { kind: 'bytes', bytes },
  }
}

const isEventStream = (response: Response): boolean =>
  response.headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') === true

/** The client of this attempt gets the events as they come; the ledger gets all of them at the end. */
async function shared(response: Response, begin: (response: Response) => void): Promise<Answer> {
  if (response.body === null) return await answerFrom(response)
  const [toClient, toLedger] = response.body.tee()
  const headers = new Headers(response.headers)
  headers.set('onefold-outcome', 'executed')
  begin(new Response(toClient, { status: response.status, headers }))
  const recorded = await answerFrom(new Response(toLedger, { status: response.status }))
  return { ...recorded, headers: headersOf(response.headers) }
}
