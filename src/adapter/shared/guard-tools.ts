import { knownOptions, ledgerName, withDefaults, type NamesOf, type ToolContext } from '../../contract/index.ts'
import { currentRun, type Guard, type Run, type RunOptions, type UndeclaredPolicy } from '../../engine/index.ts'
import { assertKnown, declaredContract, undeclaredContract, type Contracts } from './declaration.ts'
import { answerGiven, resultsSeen } from './delivered.ts'
import { assertGiven, assertUnguarded, isGuard } from './given.ts'
import { reportUndeclared } from './report.ts'
import { forFramework, noteFor, type Told } from './told.ts'

/** A framework's tool, as far as it is needed here. */
export interface AdaptedTool {
  readonly name: string
  /** Its name in the ledger, where the tool's own is not unique. @default the tool's name */
  readonly ledgerName?: string | undefined
  readonly description?: string | undefined
  /** JSON Schema of the input, where it can be told. */
  readonly jsonSchema?: unknown
  /** Runs the tool for a recovery: frozen input, no caller of the framework. */
  readonly again: (input: unknown, context: ToolContext) => unknown
  /** What was protected: its author's function or object, the same wherever the same tool is protected again. */
  readonly maker?: unknown
}

/** How tools without a contract are treated, and where calls belong. */
export interface AdapterOptions {
  /** The run of every call, where AsyncLocalStorage does not reach. @default the run that is current at the call */
  readonly run?: Run | RunOptions
  /**
   * Where the tools come from, where several sets have tools of one name: `from: 'slack-acme'` makes each `slack-acme:NAME`
   * in the ledger. Without it equal calls of two such tools are one operation. @default a tool's name is its own
   */
  readonly from?: string
  /** What becomes of equal calls of a tool without a contract. @default afterDelivery run, afterError hold */
  readonly undeclared?: Partial<UndeclaredPolicy>
  /** Is told once which tools have no contract, with the contracts to paste. @default standard error */
  readonly warn?: (text: string) => void
}

const NAMES: NamesOf<AdapterOptions> = { run: true, from: true, undeclared: true, warn: true }
const POLICY_NAMES: NamesOf<UndeclaredPolicy> = { afterDelivery: true, afterError: true }

/** One call, as the framework makes it. */
export interface AdapterCall {
  /** The framework's name of this call. */
  readonly callId?: string | undefined
  /** Ends the waiting; an effect that has started goes on, and repeats of the call join it. */
  readonly signal?: AbortSignal | undefined
  /** Calls whose results the conversation holds so far, where the framework shows it: the model has read them. */
  readonly seen?: readonly string[] | undefined
  /** Which round of questions this is (T19), by what was answered; none before the first answer. */
  readonly round?: string | undefined
  readonly execute: (context: ToolContext) => unknown
}

export interface GuardedTool {
  readonly kind: 'read' | 'write' | 'undeclared'
  /** One call through the engine. Throws what the framework is to see. */
  call(input: unknown, call: AdapterCall): Promise<Told>
  /** False where nothing is ever told beside a result. */
  readonly mayNote: boolean
  /** What the model is told beside the result; undefined in the ordinary case. */
  note(told: Told): string | undefined
}

/**
 * The tools of a framework, guarded. Registers the contracts and says once which tools have none.
 * @param door the door's name, for messages
 * @param how the code that protects these tools, for the contract to paste: `protectTools(guard, tools, …)`
 * @throws OnefoldError CONTRACT_INVALID, CONFIG_INVALID for an option that there is not
 */
export function guardTools(
  guard: Guard,
  at: { readonly door: string; readonly how: string },
  tools: readonly AdaptedTool[],
  contracts: Contracts,
  options: AdapterOptions = {},
): ReadonlyMap<string, GuardedTool> {
  assertArguments(at.door, guard, contracts, options)
  assertKnown(
    at.door,
    tools.map(({ name }) => name),
    contracts,
  )
  const { from } = options
  const named = from === undefined ? tools : tools.map((tool) => ({ ...tool, ledgerName: ledgerName(from, tool.name) }))
  for (const { name, maker } of named) assertUnguarded(at.door, name, maker)
  const undeclared = named.filter(({ name }) => declarationOf(contracts, name) === undefined)
  const guarded = new Map(named.map((tool) => [tool.name, guardTool(guard, tool, contracts, options)]))
  reportUndeclared(guard, at, undeclared, options.warn)
  return guarded
}

/**
 * What every door takes beside its tools. A factory's door checks it at once, and not when its first tool is built.
 * @throws OnefoldError CONFIG_INVALID
 */
export function assertArguments(door: string, guard: Guard, contracts: Contracts, options: AdapterOptions): void {
  assertGiven(door, isGuard(guard), 'the guard, onefold(…), as its first argument', guard)
  const given = contracts as unknown
  const isRecord = typeof given === 'object' && given !== null && !(Symbol.iterator in given)
  assertGiven(door, isRecord, 'contracts by the names of tools, { … }', given)
  knownOptions(door, options, NAMES)
  if (options.undeclared !== undefined) knownOptions(`undeclared of ${door}`, options.undeclared, POLICY_NAMES)
}

/** The contract of one tool, for doors that meet their tools one by one. */
export const contractFor = (contracts: Contracts, name: string): Contracts => ({
  [name]: declarationOf(contracts, name),
})

const declarationOf = (contracts: Contracts, name: string): Contracts[string] =>
  Object.hasOwn(contracts, name) ? contracts[name] : undefined

const POLICY: UndeclaredPolicy = { afterDelivery: 'run', afterError: 'hold' }

function guardTool(guard: Guard, tool: AdaptedTool, contracts: Contracts, options: AdapterOptions): GuardedTool {
  const { internals } = guard
  const within = binder(guard, options.run)
  const declared = declarationOf(contracts, tool.name)
  if (declared === 'read')
    return {
      kind: 'read',
      call: async (_input, call) => ({ value: await within(() => call.execute(NO_CONTEXT)), outcome: undefined }),
      mayNote: false,
      note: () => undefined,
    }
  if (declared !== undefined) {
    const contract = within(() => internals.register(declaredContract(tool, declared), tool.maker))
    return {
      kind: 'write',
      call: async (input, { execute, seen = [], ...call }) => {
        await within(() => resultsSeen(guard, seen))
        return await forFramework(
          within(() =>
            internals.perform(contract, input, { ...call, execute: (_frozen, context) => execute(context) }),
          ),
        )
      },
      mayNote: contract.verify !== undefined || contract.notice === 'model',
      note: (told) => noteFor(told, contract.notice),
    }
  }
  const policy = withDefaults(POLICY, options.undeclared)
  const inRun = undeclaredContract(tool, 'run')
  const inGuard = undeclaredContract(tool, 'tenant')
  return {
    kind: 'undeclared',
    call: async (input, { execute, seen = [], ...call }) => {
      await guard.open()
      await within(() => resultsSeen(guard, seen))
      const told = await forFramework(
        within(() =>
          internals.undeclared.perform(currentRun() === undefined ? inGuard : inRun, input, policy, {
            ...call,
            execute: (_frozen, context) => execute(context),
          }),
        ),
      )
      const { outcome } = told
      if (call.callId !== undefined && outcome?.record !== undefined)
        answerGiven(guard, call.callId, {
          key: outcome.key,
          tenant: outcome.record.tenant,
          run: outcome.record.run,
        })
      return told
    },
    mayNote: false,
    note: () => undefined,
  }
}

/** Runs work inside the run that was bound explicitly, if one was. */
function binder(guard: Guard, run: Run | RunOptions | undefined): <T>(work: () => T) => T {
  if (run === undefined) return (work) => work()
  return 'bind' in run ? run.bind : guard.internals.handleOf(run).bind
}

/** Reads are not executed by the engine; their `execute` looks at no context. */
const NO_CONTEXT = undefined as unknown as ToolContext
