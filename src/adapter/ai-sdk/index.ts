/**
 * The door `onefold/ai-sdk`: tools and models of the AI SDK (ai 6 and 7), each effect and each model call once.
 * @module
 * @example
 * ```ts
 * import { keyed } from 'onefold'
 * import { protectModel, protectTools } from 'onefold/ai-sdk'
 * const tools = protectTools(guard, { refund, search }, {
 *   refund: { identity: ['returnId'], recovery: keyed('24h') },
 *   search: 'read',
 * })
 * await guard.run({ id: requestId }, () => generateText({ model: protectModel(guard, model), tools, prompt }))
 * ```
 */
export { toolContext, type AdapterOptions, type Declaration, type WriteDeclaration } from '../shared/index.ts'
export { mcpFetch, type McpFetchOptions } from './mcp-fetch.ts'
export { protectModel, type ProtectModelOptions } from './protect-model.ts'
export { protectTools, type ToolContracts } from './protect-tools.ts'
export { toAiSdk, type AiSdkTool } from './to-ai-sdk.ts'
