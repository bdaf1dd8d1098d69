import type { Guard } from '../../engine/index.ts'
import type { Answer } from '../exchange/index.ts'
import { factsOf } from '../handler.ts'
import { checked, createProtector, isPlanned, tooLarge } from '../protector.ts'
import { answerFrom, responseOf, type HttpOptions } from '../route.ts'
import { isOfPage } from './header-values.ts'

/** What is used of Hono's context (hono 4). */
export interface HonoContextLike {
  readonly req: { readonly raw: Request; arrayBuffer(): Promise<ArrayBuffer> }
  res: Response
}

export type HonoMiddlewareLike = (context: HonoContextLike, next: () => Promise<void>) => Promise<Response | void>

export interface HonoOptions extends HttpOptions {
  /** `(request) => app.fetch(request)`: lets recovery run the handlers again. Without it only `manual` and `probe` fit. */
  readonly again?: (request: Request) => Promise<Response> | Response
}

/**
 * Middleware for a Hono app: `app.use(honoMiddleware(guard, { routes }))`, before the routes it protects.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function honoMiddleware(guard: Guard, options: HonoOptions): HonoMiddlewareLike {
  const { again, ...rest } = options
  const resent = new WeakSet<Request>()
  const protector = createProtector(
    guard,
    rest,
    again === undefined
      ? undefined
      : async (request) => {
          resent.add(request)
          return await again(request)
        },
  )
  return async (context, next) => {
    const { raw } = context.req
    // A recovery runs inside its own operation already.
    if (resent.has(raw)) return await next()
    const matched = protector.match(raw.method, new URL(raw.url).pathname)
    if (matched === undefined) return await next()
    // What stands ahead has said to this client, as CORS and cookies, is said whatever it is told here.
    const ahead = new Set(context.res.headers.keys())
    const whole = (answer: Answer): Response => withAhead(responseOf(answer), context.res.headers, ahead)
    if (!isPlanned(matched)) return replaced(context, whole(matched))
    // Hono keeps what is read through its request, so that the handler may read it again.
    const bytes = new Uint8Array(await context.req.arrayBuffer())
    if (bytes.byteLength > protector.bodyBytes) return replaced(context, whole(tooLarge(protector)))
    let isTold = false
    // Without the client's signal: Hono reads the handler's answer from a context that is still open.
    const answer = await protector.perform(matched, factsOf(raw, bytes, matched.params), async () => {
      checked()
      await next()
      // After the deadline the context holds what the client was told, which is not the handler's word.
      if (isTold) throw new Error('the handler ended after its deadline')
      return await answerFrom(context.res)
    })
    isTold = true
    return replaced(context, whole(answer))
  }
}

/** An answer with the headers of `now` that were there `ahead` and that it does not have itself, or only for another page. */
function withAhead(response: Response, now: Headers, ahead: ReadonlySet<string>): Response {
  const own = new Set(response.headers.keys())
  for (const [name, value] of now) {
    if (!ahead.has(name) || name === 'content-length') continue
    if (isOfPage(name)) response.headers.set(name, value)
    else if (!own.has(name)) response.headers.append(name, value)
  }
  return response
}

/** Hono merges headers into a response that is already there; this one is whole. */
function replaced(context: HonoContextLike, response: Response): Response {
  context.res = undefined as unknown as Response
  context.res = response
  return response
}
