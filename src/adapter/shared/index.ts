/**
 * What every framework's adapter is made of: contracts for tools that a framework has declared, calls through the
 * engine, texts and signs of errors, and tools of `guard.tool` taken apart for a framework.
 * @module
 */
export { withNote } from './beside.ts'
export { bindContext, toolContext } from './tool-context.ts'
export { partsOf, type ToolCall, type ToolParts } from './convert.ts'
export type { Contracts, Declaration, WriteDeclaration } from './declaration.ts'
export { evidenceFetch, resultsSeen } from './delivered.ts'
export { assertFactory, assertGiven, isGuarded, isLeftAlone, markGuarded } from './given.ts'
export {
  assertArguments,
  contractFor,
  guardTools,
  type AdaptedTool,
  type AdapterCall,
  type AdapterOptions,
  type GuardedTool,
} from './guard-tools.ts'
export { guardUnit, UNIT_NAMES, type UnitCall, type UnitContract } from './guard-unit.ts'
export { jsonSchemaFrom, inputSchemaOf } from './json-schema.ts'
export { pausable } from './pause.ts'
export { isForTheModel, type Told } from './told.ts'
