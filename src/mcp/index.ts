/**
 * The MCP proxy over stdio: a ledger in front of any MCP server.
 * @module
 */
export { auditTools, type ToolFinding } from './inspect/audit.ts'
export { explainTools, type Explained } from './inspect/explain.ts'
export { listTools, type ListedTool, type ToolListing } from './inspect/list-tools.ts'
export { clientEntry, starterConfig } from './inspect/starter.ts'
export { NOTHING_DECLARED, type DeclaredTool, type ProxyContracts } from './proxy/declared.ts'
export {
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
export { PROXY_CODES, WIRE_CODES } from './proxy/wire-errors.ts'
