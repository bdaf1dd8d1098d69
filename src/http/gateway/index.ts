/**
 * The gateway: an idempotent reverse proxy in front of any HTTP API.
 * @module
 */
export type { GatewayLimits } from './limits.ts'
export { startGateway, type Gateway, type GatewayOptions } from './server.ts'
export { serviceName } from './service-name.ts'
