import type { Guard } from '../../engine/index.ts'
import { performFetch, type HandlerContext } from '../handler.ts'
import { createProtector, isPlanned } from '../protector.ts'
import { responseOf, type HttpOptions, type WriteRoute } from '../route.ts'

/** What Next hands to a route handler beside the request (Next 15 and 16: `params` is a promise). */
export interface NextContextLike {
  readonly params: Promise<Readonly<Record<string, string | string[] | undefined>>>
}

export type NextHandler = (
  request: Request,
  context: NextContextLike,
  onefold: HandlerContext,
) => Promise<Response> | Response

/** What a route is given here beside its own options: a file of Next is a service of one route. */
const OF_THE_SERVICE: ReadonlySet<string> = new Set<keyof HttpOptions>([
  'name',
  'bodyBytes',
  'profile',
  'strict',
  'principal',
  'tenantHeader',
  'accountHeaders',
  'replayHeaders',
  'resendHeaders',
])

/**
 * A Next route handler that runs once per operation: `export const POST = nextRoute(guard, { match: 'POST /api/orders', … }, handler)`.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function nextRoute(
  guard: Guard,
  route: WriteRoute & Omit<HttpOptions, 'routes'>,
  handler: NextHandler,
): (request: Request, context?: NextContextLike) => Promise<Response> {
  const entries = Object.entries(route).filter(([, value]) => value !== undefined)
  const given = Object.fromEntries(entries.filter(([name]) => OF_THE_SERVICE.has(name)))
  const write = Object.fromEntries(entries.filter(([name]) => !OF_THE_SERVICE.has(name))) as unknown as WriteRoute
  const protector = createProtector(
    guard,
    { ...given, routes: [write] },
    async (request, params, context) => await handler(request, { params: Promise.resolve(params) }, context),
  )
  return async (request, context) => {
    const matched = protector.match(request.method, new URL(request.url).pathname)
    if (matched === undefined || !isPlanned(matched) || matched.plan.undeclared !== undefined) {
      return responseOf({ status: 404, headers: [], body: '' })
    }
    const outer = context ?? { params: Promise.resolve(matched.params) }
    return await performFetch(
      protector,
      matched,
      request,
      async (fresh, onefold) => await handler(fresh, outer, onefold),
    )
  }
}
