/**
 * Onefold: every side effect of an agent happens once.
 * @module
 */
export { onefold, type OnefoldOptions } from './onefold.ts'
export { composite, idempotent, keyed, manual, probe, transactional } from './contract/index.ts'
export type {
  Contract,
  ContractDescription,
  Duration,
  ErrorMapping,
  Identity,
  ProbeAnswer,
  ProbeContext,
  ReadOptions,
  Recovery,
  Scope,
  StandardSchemaV1,
  ToolContext,
  WriteOptions,
} from './contract/index.ts'
export { ERROR_CODES, OnefoldError, isOnefoldError, type EffectKnowledge, type ErrorCode } from './error/index.ts'
export { AnsweredError, orderIntent, carryRun, runFrom } from './engine/index.ts'
export type {
  AnchoredIntent,
  CloseOptions,
  EngineEvents,
  EventName,
  Forensics,
  Guard,
  Ledger,
  OperationRecord,
  OrderIntent,
  OrderIntentOptions,
  Outcome,
  ProtectedTool,
  Purged,
  Receipt,
  ReceiptEntry,
  ReconcileOptions,
  Reconciliation,
  Run,
  RunCarrier,
  RunFromOptions,
  RunOptions,
  SagaEnd,
  SagaOptions,
  SagaResults,
  SagaStep,
  SagaUndo,
  Store,
  ToolCallOptions,
  Verdict,
} from './engine/index.ts'
