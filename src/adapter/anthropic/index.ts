/**
 * The door `onefold/anthropic`: tools of the Anthropic SDK's tool runner and of the Claude Agent SDK, each effect once.
 * @module
 * @example
 * ```ts
 * import { anthropicFetch, protectTools } from 'onefold/anthropic'
 * const client = new Anthropic({ fetch: anthropicFetch(guard) })
 * await guard.run({ id: requestId }, (run) => {
 *   const tools = protectTools(guard, [refund], { refund: { identity: ['returnId'], recovery: keyed('24h') } }, { run })
 *   return client.beta.messages.toolRunner({ model, max_tokens, messages, tools }).runUntilDone()
 * })
 * ```
 */
export { toolContext, type AdapterOptions, type Declaration, type WriteDeclaration } from '../shared/index.ts'
export { anthropicFetch } from './anthropic-fetch.ts'
export { protectTools } from './protect-tools.ts'
export { toAgentTool, toAnthropic, type AgentTool, type RunnableTool } from './to-anthropic.ts'
