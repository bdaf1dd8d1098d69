/**
 * OpenAI Agents: tools and MCP servers whose effects happen once.
 * @module
 */
export { toolContext } from '../shared/index.ts'
export type { AdapterOptions, Contracts, Declaration } from '../shared/index.ts'
export { protectMcpServer, type AgentsMcpServer } from './mcp-server.ts'
export { openAiFetch } from './openai-fetch.ts'
export { toOpenAiAgents } from './to-openai-agents.ts'
export { protectTool } from './tool.ts'
