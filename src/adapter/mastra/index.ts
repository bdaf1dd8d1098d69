/**
 * Mastra: tools and workflow steps whose effects happen once.
 * @module
 */
export { toolContext } from '../shared/index.ts'
export type { AdapterOptions, Contracts, Declaration } from '../shared/index.ts'
export { protectStep, type StepContract } from './step.ts'
export { toMastra } from './to-mastra.ts'
export { protectTool } from './tool.ts'
