import {
  anySchema,
  defineContract,
  manual,
  type AnyToolOptions,
  type Contract,
  type ContractDescription,
  type ReadOptions,
  type StandardSchemaV1,
  type WriteOptions,
} from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { Secret } from '../key/index.ts'
import { inDoubt } from './answers.ts'
import type { FetchMaker } from './attempt.ts'
import { knownCall, knownEvent, knownRun, knownTenant, type RunOptions, type ToolCallOptions } from './call-options.ts'
import type { Clock, Ids, Processes } from './clock.ts'
import { compensateOperation } from './compensate.ts'
import type { Core } from './core.ts'
import { createPerformer, type Performer, type PerformOptions } from './engine.ts'
import { createDuplicateNotes } from './duplicates.ts'
import { createEmitter, type EngineEvents, type EventName } from './events.ts'
import type { Faults } from './faults.ts'
import { createJournal } from './journal.ts'
import { assertStoreKeeps, createLedger, opened, type Ledger } from './ledger.ts'
import { createLifecycle, type CloseOptions } from './lifecycle.ts'
import { createManners } from './keyless.ts'
import { createMakers } from './makers.ts'
import { createLookFirst } from './look-first.ts'
import { assertOnce } from './once.ts'
import { notOurs, isAid, isOwn } from './own-names.ts'
import { receiptOf, type Receipt } from './receipt.ts'
import { createRemembered } from './remembered.ts'
import { createQuestions } from './rounds.ts'
import type { OperationRecord } from './record.ts'
import { currentFrame, currentRun, newRun, tenantWithoutRun, withRun, type ActiveRun } from './run.ts'
import { settingsWith, type Settings } from './settings.ts'
import { knownSteps, sagaContract, type SagaEnd, type SagaOptions, type SagaStep } from './saga.ts'
import { secretsOf } from './secrets.ts'
import { createSlots } from './slots.ts'
import type { Spool } from './spool.ts'
import type { Store } from './store.ts'
import type { Outcome } from './told.ts'
import { createUndeclared, type UndeclaredPerformer } from './undeclared.ts'

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
  /** Undoes a committed operation, once. @throws OnefoldError HELD when there is nothing to undo */
  compensate(input: Input, options?: ToolCallOptions): Promise<void>
  readonly contract: Contract
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

export interface Guard {
  tool<Schema extends StandardSchemaV1, Output>(
    options: ReadOptions<Schema, Output> | WriteOptions<Schema, Output>,
  ): ProtectedTool<StandardSchemaV1.InferInput<Schema>, Output>
  run<T>(options: RunOptions, work: (run: Run) => Promise<T> | T): Promise<T>
  /** The smallest form: a key and a function. Recovery is manual. */
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
  /** Every contract as plain JSON (BF-11). */
  contracts(): readonly ContractDescription[]
  readonly ledger: Ledger
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

/** @throws OnefoldError STORE_UNSAFE for a store that forgets, unless `allowVolatile` */
export function createGuard(options: GuardOptions): Guard {
  const { store } = options
  if (store.guarantees.durability === 'none' && options.allowVolatile !== true) {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `The store ${store.name} forgets everything when the process ends, so a restart would repeat effects. Use a durable store, or pass allowVolatile: true in tests.`,
    )
  }
  const settings = settingsWith(options.settings)
  const secrets = secretsOf(options)
  const emitter = createEmitter()
  const defaultTenant = knownTenant(options.tenant)
  const localReads = store.guarantees.localReads === true
  const remembered = createRemembered(options.clock, localReads ? 0 : settings.replayMemoryMs)
  const contracts = new Map<string, Contract>()
  const core: Core = {
    journal: createJournal({
      store,
      clock: options.clock,
      ids: options.ids,
      emitter,
      storeDeadlineMs: settings.storeDeadlineMs,
      wrote: remembered.forget,
    }),
    lookFirst: createLookFirst(localReads),
    remembered,
    clock: options.clock,
    ids: options.ids,
    processes: options.processes,
    emitter,
    settings,
    naming: {
      defaultTenant,
      ...secrets,
      maxInputBytes: settings.maxInputBytes,
    },
    spool: options.spool,
    makeFetch: options.makeFetch,
    faults: options.faults,
    duplicates: createDuplicateNotes(),
    questions: createQuestions(),
    contracts,
    makers: createMakers(contracts),
    manners: createManners(),
    live: createSlots(),
    claiming: createSlots(),
    background: new Set(),
    closing: false,
    draining: false,
  }
  const lifecycle = createLifecycle(core)
  const performer = createPerformer(core, () => (lifecycle.isOpen() ? undefined : lifecycle.open()))
  const undeclared = createUndeclared(core, performer)

  function register(contract: Contract, maker?: unknown): Contract {
    notOurs(contract, isAid)
    const known = core.contracts.get(contract.name)
    if (known !== undefined && !sameDescription(known, contract)) {
      throw new OnefoldError(
        'CONTRACT_INVALID',
        `Two different contracts are called ${contract.name}. Give one of them another name.`,
      )
    }
    assertStoreKeeps(core, contract)
    core.contracts.set(contract.name, contract)
    if (maker !== undefined) core.makers.note(contract.name, maker, currentRun()?.tenant)
    return contract
  }

  function runOf(given: RunOptions): ActiveRun {
    for (const fact of ['id', 'tenant', 'session'] as const) if (given[fact] === '') throw nameless(fact)
    const outer = currentRun()
    const inherits = given.id === undefined && outer !== undefined
    const tenant = given.tenant ?? outer?.tenant ?? tenantWithoutRun(core.naming, currentFrame())
    return newRun({
      id: given.id ?? outer?.id ?? options.ids.runId(),
      tenant,
      session: given.session ?? outer?.session,
      traceparent: given.traceparent ?? outer?.traceparent,
      parent: given.parent === undefined ? (inherits ? outer.parent : undefined) : { ...given.parent, nextChild: 0 },
      unanchored: inherits ? outer.unanchored : given.id === undefined,
      // A part of the same run counts on: counting anew, its first call would be taken for a retry of the run's first.
      sequences: inherits && given.parent === undefined && tenant === outer.tenant ? outer.sequences : undefined,
      mintedUnder: inherits ? outer.mintedUnder : given.id === undefined ? (core.journal.amnesia()?.at ?? 0) : 0,
    })
  }

  const handles = new WeakMap<Run, ActiveRun>()
  function handleOf(active: ActiveRun): Run {
    const handle: Run = Object.freeze({
      id: active.id,
      tenant: active.tenant,
      session: active.session,
      receipt: () => lifecycle.open().then(() => receiptOf(core, active)),
      settled: async () => {
        while (active.pending.size > 0) await Promise.allSettled(Array.from(active.pending, ({ work }) => work))
      },
      bind: <T>(work: () => T) => withRun(active, work),
    })
    handles.set(handle, active)
    return handle
  }

  function unbound(given: ToolCallOptions): PerformOptions {
    const { run, ...rest } = knownCall(given)
    if (run === undefined) return rest
    const active = handles.get(run)
    if (active === undefined) throw foreign()
    return { ...rest, run: active }
  }

  function protect<Input, Output>(contract: Contract): ProtectedTool<Input, Output> {
    const call = async (input: Input, callOptions: ToolCallOptions = {}): Promise<Outcome<Output>> =>
      (await performer.perform(contract, input, unbound(callOptions))) as Outcome<Output>
    const tool = async (input: Input, callOptions?: ToolCallOptions): Promise<Output> =>
      valueOf(await call(input, callOptions))
    return Object.assign(tool, {
      perform: call,
      compensate: async (input: Input, callOptions: ToolCallOptions = {}) => {
        await compensateOperation(core, performer, contract, input, unbound(callOptions), lifecycle.open)
      },
      contract,
      description: contract.describe(),
      guard,
    })
  }

  const onceContract = defineContract({
    name: 'once',
    input: anySchema,
    effect: 'write',
    identity: 'all',
    recovery: manual(),
    execute: () => undefined,
  } as unknown as AnyToolOptions)
  // Not by `register`: a store that cannot keep it may still serve every tool that does not need it.
  core.contracts.set(onceContract.name, onceContract)

  const guard: Guard = {
    tool: (toolOptions) => {
      const contract = register(notOurs(defineContract(toolOptions as unknown as AnyToolOptions), isOwn))
      // By its text: one that is built anew for each request is the same tool, and another of its name is not.
      const isNamesake = core.makers.note(contract.name, String(contract.execute), undefined)
      // Once whoever registers tools has come to listen as well.
      if (isNamesake) queueMicrotask(() => guard.internals.alarm(contract.name, NAMESAKE))
      return protect(contract)
    },
    run: async (runOptions, work) => {
      const active = runOf(knownRun(runOptions, work))
      return await withRun(active, () => work(handleOf(active)))
    },
    saga: (name, steps, sagaOptions = {}) => {
      for (const step of knownSteps(name, steps)) assertOwn(name, step)
      return protect(register(notOurs(sagaContract(core, performer, name, steps, sagaOptions), isOwn)))
    },
    once: async (key, work, callOptions = {}) => {
      await lifecycle.open()
      assertStoreKeeps(core, onceContract)
      assertOnce(key, work)
      return valueOf(
        await performer.perform(onceContract, { key }, { ...unbound(callOptions), execute: work }),
      ) as never
    },
    contracts: () =>
      Array.from(core.contracts.values(), (contract) => contract.describe()).filter(
        ({ name }) => name !== 'once' && !isOwn(name),
      ),
    ledger: opened(createLedger(core, { tenant: defaultTenant }), lifecycle.open),
    on: (name, listener) => emitter.on(knownEvent(name), listener),
    open: lifecycle.open,
    close: lifecycle.close,
    internals: {
      register,
      perform: performer.perform,
      undeclared: {
        perform: (...given) => lifecycle.open().then(() => undeclared.perform(...given)),
        deliver: (...given) => lifecycle.open().then(() => undeclared.deliver(...given)),
      },
      runOf,
      handleOf: (given) => handleOf(runOf(given)),
      name: performer.name,
      tick: () => lifecycle.open().then(lifecycle.tick),
      alarm: (tool, message) =>
        emitter.emit('alarm', { key: '', tenant: defaultTenant, tool, run: undefined, message }),
      operators: opened(createLedger(core, { tenant: defaultTenant, all: true }), lifecycle.open),
      twin: (change) => createGuard(change(options)),
      blobs: {
        putBlob: (owner, sha256, bytes) =>
          lifecycle.open().then(() => core.journal.withDeadline(store.putBlob(owner, sha256, bytes))),
        getBlob: (owner, sha256) =>
          lifecycle.open().then(() => core.journal.withDeadline(store.getBlob(owner, sha256))),
      },
    },
  }
  function assertOwn<Input>(saga: string, { tool, undo }: SagaStep<Input>): void {
    const undoTool = typeof undo === 'object' ? undo.tool : tool
    if (tool.guard === guard && undoTool.guard === guard) return
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `Saga ${saga} has a step whose tool is not protected by the same guard. Nothing was registered.`,
    )
  }

  return guard
}

/** What a plain call answers: the value, or the error that the contract reads as done. @throws OnefoldError IN_DOUBT, RESULT_EXPIRED */
function valueOf<Output>(outcome: Outcome<Output>): Output {
  // Also where the caller asked for doubts to be returned: no value could be told from a success without one.
  if (outcome.status === 'in-doubt')
    throw inDoubt(outcome.record as OperationRecord, outcome.replayed ? undefined : outcome.error)
  // oxlint-disable-next-line typescript/only-throw-error -- it is thrown on as the tool threw it
  if (outcome.error !== undefined) throw outcome.error
  if (outcome.missing !== undefined) {
    throw new OnefoldError(
      'RESULT_EXPIRED',
      `The operation was done, but its result is missing: ${outcome.missing}. Nothing was executed again.`,
      {
        effect: 'done',
        key: outcome.key,
        ticket: outcome.ticket,
      },
    )
  }
  return outcome.value
}

const NAMESAKE =
  'two tools with different functions have this name: what one did is the answer to an equal call of the other. Give one of them another name.'

const sameDescription = (a: Contract, b: Contract): boolean =>
  JSON.stringify(a.describe()) === JSON.stringify(b.describe())

/** Whatever has no name would be taken for one and the same: the next request's effects for repeats of this one's. */
const nameless = (fact: string): OnefoldError =>
  new OnefoldError(
    'CONTRACT_INVALID',
    `The ${fact} of a run is an empty text. No effect started; leave it out where there is none.`,
  )

const foreign = (): OnefoldError =>
  new OnefoldError(
    'CONTRACT_INVALID',
    'The run that this call is bound to is no handle of this guard. No effect started; use the one that its own guard.run hands out.',
  )
