/**
 * The engine: one effect per operation, whatever retries. Time, names, processes, the store and the network are given to it.
 * @module
 */
export { carryRun, headerText, runFrom, type RunCarrier, type RunFromOptions } from './carrier.ts'
export { AnsweredError, UnsentError, type Send } from './classify.ts'
export type { Clock, Ids, Processes } from './clock.ts'
export { decode, encode } from './codec.ts'
export type { RunOptions, ToolCallOptions } from './call-options.ts'
export type { CloseOptions } from './lifecycle.ts'
export type { Attempt, Claim, Command, Refusal } from './commands.ts'
export type { Transition } from './edges.ts'
export type { PerformOptions } from './engine.ts'
export type { Outcome } from './told.ts'
export type { EngineEvents, EventName } from './events.ts'
export { FAULT_POINTS, type FaultPoint, type Faults } from './faults.ts'
export { operationOf, type FetchMaker, type SendPort } from './attempt.ts'
export { createGuard } from './guard.ts'
export type { Guard, GuardOptions, ProtectedTool, Run } from './guard-types.ts'
export type { Forensics, Ledger, Verdict } from './ledger.ts'
export { decide } from './machine.ts'
export { ownerOf, stillKept, type KeptBytes } from './kept-bytes.ts'
export { keepNewest } from './newest.ts'
export { ticketOf } from './operation.ts'
export type { Purged, PurgeOptions } from './purge.ts'
export { orderIntent, type AnchoredIntent, type OrderIntent, type OrderIntentOptions } from './order-intent.ts'
export type { Receipt, ReceiptEntry } from './receipt.ts'
export {
  nameOfItem,
  type ReconcileEntry,
  type ReconcileOperation,
  type ReconcileOptions,
  type Reconciliation,
} from './reconcile.ts'
export {
  DOUBT_REASONS,
  OPEN_STATES,
  STATES,
  keepsDiverging,
  momentsOf,
  quarantineEnd,
  stamp,
  type Descriptor,
  type Draft,
  type Evidence,
  type HistoryEvent,
  type Moments,
  type OperationRecord,
  type Stamped,
  type State,
  type StoredOutcome,
} from './record.ts'
export { fullPage } from './full-page.ts'
export { Question } from './question.ts'
export { recoversByItself } from './recover.ts'
export { currentOperation, currentRun, inNoRun } from './run.ts'
export type { SagaEnd, SagaOptions, SagaResults, SagaStep, SagaUndo } from './saga.ts'
export { DEFAULTS, type Settings } from './settings.ts'
export { createNamedSlots, createSlots, type NamedSlots, type Slots } from './slots.ts'
export type { Spool, SpoolEntry } from './spool.ts'
export {
  erasesBlobs,
  type AmnesiaMark,
  PAGE_BYTES,
  type BlobOwner,
  type Epoch,
  type Finding,
  type ListPage,
  type ListQuery,
  type Reading,
  type Store,
  type StoreGuarantees,
  type StoreStats,
  type StoreTransaction,
  type Write,
  type WriteAnswer,
} from './store.ts'
export { tellOperators } from './tell-operators.ts'
export type { UndeclaredPolicy } from './undeclared.ts'
export { leftOut, readable, readableLater, unknownState } from './unreadable.ts'
