import { anySchema, defineContract, manual, type AnyToolOptions, type Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { inDoubt } from './answers.ts'
import { knownCall, knownEvent, knownRun, knownTenant, type RunOptions, type ToolCallOptions } from './call-options.ts'
import { compensateOperation } from './compensate.ts'
import type { Core } from './core.ts'
import { createPerformer, type PerformOptions } from './engine.ts'
import { createDuplicateNotes } from './duplicates.ts'
import { createEmitter } from './events.ts'
import { createJournal } from './journal.ts'
import { assertStoreKeeps, createLedger, opened } from './ledger.ts'
import { createLifecycle } from './lifecycle.ts'
import { createManners } from './keyless.ts'
import { createMakers } from './makers.ts'
import { createLookFirst } from './look-first.ts'
import { assertOnce } from './once.ts'
import { notOurs, isAid, isOwn } from './own-names.ts'
import { receiptOf } from './receipt.ts'
import { createRemembered } from './remembered.ts'
import { createQuestions } from './rounds.ts'
import type { OperationRecord } from './record.ts'
import { currentFrame, currentRun, newRun, tenantWithoutRun, withRun, type ActiveRun } from './run.ts'
import { DEFAULTS, settingsWith } from './settings.ts'
import { knownSteps, sagaContract, type SagaStep } from './saga.ts'
import { secretsOf } from './secrets.ts'
import { createSlots } from './slots.ts'
import type { Outcome } from './told.ts'
import { createUndeclared } from './undeclared.ts'
import type { GuardOptions, ProtectedTool, Run, Guard } from './guard-types.ts'

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
      quarantineMs: settings.quarantineMs > DEFAULTS.quarantineMs ? settings.quarantineMs : undefined,
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
