/**
 * HTTP: every declared write of a server happens once, whatever its clients retry. A wrapper for handlers of the Fetch
 * kind, and forms for Hono, Express, Fastify and Next. Imports no framework.
 *
 * @example
 * export default { fetch: protectHandler(guard, { routes: [{ match: 'POST /orders', recovery: manual() }] }, app.fetch) }
 * @module
 */
export type { DeclaredError, HttpRules, KeyRule, PrincipalRule, ProfileName, RequestView } from './exchange/index.ts'
export { expressMiddleware, type ExpressMiddlewareLike } from './forms/express.ts'
export { fastifyHooks } from './forms/fastify.ts'
export { honoMiddleware, type HonoMiddlewareLike, type HonoOptions } from './forms/hono.ts'
export { nextRoute, type NextHandler } from './forms/next.ts'
export { protectHandler, type FetchHandler, type HandlerContext } from './handler.ts'
export type { HttpOptions, Route, WriteRoute } from './route.ts'
