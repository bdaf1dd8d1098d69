/**
 * Onefold for authors of MCP servers and clients, on both majors of the official SDK.
 * @module
 */
export { protectClient, type ProtectableClient, type ProtectClientOptions } from './client/protect-client.ts'
export { receiptOf } from './client/told.ts'
export type { WireReceipt as McpReceipt } from './proxy/outcome-line.ts'
export type { AuthInfo, CallFacts } from './server/call-facts.ts'
export { contract, type ServerContract, type ToolResult, type WriteContract } from './server/contract.ts'
export type { UnknownTools } from './server/plans.ts'
export { protectServer, type ProtectableServer, type ProtectServerOptions } from './server/protect-server.ts'
export { step, toolContext } from './server/tool-context.ts'
