/**
 * The MCP proxy over stdio: a ledger in front of any MCP server.
 * @module
 */
export { NOTHING_DECLARED, type ProxyContracts } from './proxy/declared.ts'
export {
  MCP_HTTP_LIMITS,
  startMcpHttp,
  type BackendContext,
  type McpHttp,
  type McpHttpLimits,
  type McpHttpOptions,
  type McpPrincipal,
} from './http/front.ts'
export { httpBackend } from './http/http-backend.ts'
export { stdioBackend } from './http/stdio-backend.ts'
export { runProxy } from './proxy/run-proxy.ts'
export { upstreamName } from './proxy/upstream-name.ts'
export { WIRE_CODES } from './proxy/wire-errors.ts'
