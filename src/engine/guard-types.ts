import type { Contract, ContractDescription, ReadOptions, StandardSchemaV1, WriteOptions } from '../contract/index.ts'
import type { Secret } from '../key/index.ts'
import type { FetchMaker } from './attempt.ts'
import type { RunOptions, ToolCallOptions } from './call-options.ts'
import type { Clock, Ids, Processes } from './clock.ts'
import type { Performer, PerformOptions } from './engine.ts'
import type { EngineEvents, EventName } from './events.ts'
import type { Faults } from './faults.ts'
import type { Ledger } from './ledger.ts'
import type { CloseOptions } from './lifecycle.ts'
import type { Receipt } from './receipt.ts'
import type { ActiveRun } from './run.ts'
import type { Settings } from './settings.ts'
import type { SagaEnd, SagaOptions, SagaStep } from './saga.ts'
import type { Spool } from './spool.ts'
import type { Store } from './store.ts'
import type { Outcome } from './told.ts'
import type { UndeclaredPerformer } from './undeclared.ts'

/** What a guard is built from. Everything that touches the world is given to it. */
export interface GuardOptions {
  readonly store: Store
  /** @default 'default' */
  readonly tenant?: string
  /** Makes keys and fingerprints HMACs, so that nobody can guess them from inputs. */
  readonly keySecret?: Secret
  /**
   * Secrets of before a rotation, null for the time before there was one: operations recorded then are still recognised.
   * @default []
   */
  readonly previousSecrets?: readonly (Secret | null)[]
  readonly settings?: Partial<Settings>
  /** Allows a store that forgets on exit (tests, demonstrations). @default false */
  readonly allowVolatile?: boolean
  readonly spool?: Spool
  readonly clock: Clock
  readonly ids: Ids
  readonly processes: Processes
  readonly makeFetch?: FetchMaker
  readonly faults?: Faults
}

/** A tool whose effect happens once per operation. */
export interface ProtectedTool<Input, Output> {
  /** The value, or an OnefoldError. An error that the contract reads as "done" is thrown as it was. */
  (input: Input, options?: ToolCallOptions): Promise<Output>
  /** The whole outcome. */
  perform(input: Input, options?: ToolCallOptions): Promise<Outcome<Output>>
  /**
   * Undoes a committed operation, once, by the `compensate` of its contract.
   * @throws OnefoldError HELD when there is nothing to undo, CONTRACT_INVALID for a contract that declares no undo
   */
  compensate(input: Input, options?: ToolCallOptions): Promise<void>
  readonly contract: Contract
  /** The contract as plain JSON. */
  readonly description: ContractDescription
  /** The guard that protects it. */
  readonly guard: Guard
}

/** One request from the boundary to its end. */
export interface Run {
  readonly id: string
  readonly tenant: string
  readonly session: string | undefined
  /** What the run's operations came to, read from the ledger. */
  receipt(): Promise<Receipt>
  /** Resolves when nothing that this run started here is still running. */
  settled(): Promise<void>
  /** Runs `work` inside this run: explicit binding, where AsyncLocalStorage does not reach. */
  bind<T>(work: () => T): T
}

/** What an application holds: its tools, its runs, and its part of the ledger. */
export interface Guard {
  /**
   * Protects a tool: each call of what it returns is one operation, done once, or a read that passes.
   * @throws OnefoldError CONTRACT_INVALID naming what is wrong and the fix, STORE_UNSAFE for a recovery that the store
   * cannot keep
   */
  tool<Schema extends StandardSchemaV1, Output>(
    options: ReadOptions<Schema, Output> | WriteOptions<Schema, Output>,
  ): ProtectedTool<StandardSchemaV1.InferInput<Schema>, Output>
  /**
   * Does `work` inside a run: what it calls, however deep, belongs to it. A run without an id inside another one goes on
   * as a part of that.
   * @throws OnefoldError CONFIG_INVALID for an option that there is not, CONTRACT_INVALID for an empty name
   */
  run<T>(options: RunOptions, work: (run: Run) => Promise<T> | T): Promise<T>
  /**
   * The smallest form: a key and a function. Recovery is manual.
   * @throws OnefoldError KEY_INVALID for an empty key, CONTRACT_INVALID without a function
   */
  once<T>(key: string, work: () => Promise<T> | T, options?: ToolCallOptions): Promise<T>
  /**
   * A sequence of protected calls that is done as a whole or undone as a whole, each step and each undo once, through
   * crashes too. Equal inputs are the same saga; called again, it answers how it ended.
   * @throws OnefoldError CONTRACT_INVALID
   */
  saga<Input>(
    name: string,
    steps: readonly SagaStep<Input>[],
    options?: SagaOptions<Input>,
  ): ProtectedTool<Input, SagaEnd>
  /** Every contract that was registered here as plain JSON (BF-11). */
  contracts(): readonly ContractDescription[]
  /** The ledger, within the guard's own tenant where no other is named. */
  readonly ledger: Ledger
  /** Listens to what the engine tells; what it returns ends it. @throws OnefoldError CONFIG_INVALID for an event that is never told */
  on<Name extends EventName>(name: Name, listener: (event: EngineEvents[Name]) => void): () => void
  /** Opens the ledger now instead of at the first call. */
  open(): Promise<void>
  /**
   * Refuses new calls and closes the ledger. What runs then is waited for as long as `waitMs` says; what still runs after
   * that may send nothing any more and is in doubt (`shutdown`), or is taken back where it had sent nothing.
   */
  close(options?: CloseOptions): Promise<void>
  /** For adapters and proxies. */
  readonly internals: Internals
}

/** What adapters and proxies build on; not for application code. */
export interface Internals {
  /** @param maker what the contract's functions were taken from (`Makers.note`) */
  register(contract: Contract, maker?: unknown): Contract
  perform(contract: Contract, input: unknown, options?: PerformOptions): Promise<Outcome>
  readonly undeclared: UndeclaredPerformer
  /** A run bound explicitly, for calls that arrive with a run id. */
  runOf(options: RunOptions): ActiveRun
  /** The same as the run that `guard.run` hands out, for code that no callback encloses. */
  handleOf(options: RunOptions): Run
  name: Performer['name']
  /** One housekeeping round, now. */
  tick(): Promise<void>
  /** Tells listeners of what a person has to see: names and tickets only. */
  alarm(tool: string, message: string): void
  /** The ledger across all tenants, for operators. */
  readonly operators: Ledger
  /** Another guard, made as this one was but for what `change` changes, without its contracts: for test kits. */
  twin(change: (options: GuardOptions) => GuardOptions): Guard
  /** Bytes beside one operation, named by their content: what a frozen request is too large to hold itself. */
  readonly blobs: Pick<Store, 'putBlob' | 'getBlob'>
}
