/**
 * Declaring tools: what identifies an operation, what may differ on a repeat, and what settles an unknown outcome.
 * @module
 */
export type { AnyToolOptions } from './any-options.ts'
export { anySchema } from './any-schema.ts'
export { defineContract } from './define.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { ledgerName } from './ledger-name.ts'
export { assertNumber, knownOptions, unknownName, type NamesOf } from './known-options.ts'
export { nearest } from './nearest.ts'
export { parseInput } from './parse-input.ts'
export { composite, idempotent, keyed, manual, probe, transactional, type KeyedWithoutProbe } from './recovery.ts'
export { withDefaults } from './with-defaults.ts'
export { jsonSchemaOf } from './schema-fields.ts'
export type { StandardSchemaV1 } from './standard-schema.ts'
export type {
  Contract,
  ContractDescription,
  Duration,
  ErrorMapping,
  Identity,
  ManualRecovery,
  ProbeAnswer,
  ProbeContext,
  ProbeFunction,
  ReadOptions,
  Recovery,
  RecoveryClass,
  RunReference,
  Scope,
  ToolContext,
  WriteOptions,
} from './types.ts'
