/**
 * LangChain 1 and LangGraph 1: tools and graph nodes whose effects happen once.
 * @module
 */
export { toolContext } from '../shared/index.ts'
export type { AdapterOptions, Contracts, Declaration } from '../shared/index.ts'
export type { LangChainTool } from './invokable.ts'
export { protectNode, type NodeContract } from './node.ts'
export { toLangChain } from './to-langchain.ts'
export { protectTools } from './tools.ts'
