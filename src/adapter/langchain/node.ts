import { knownOptions, type ToolContext } from '../../contract/index.ts'
import { currentRun, type Guard } from '../../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../../error/index.ts'
import { assertGiven, bindContext, guardUnit, pausable, UNIT_NAMES, type UnitContract } from '../shared/index.ts'
import { packCommand, unpackCommand } from './direct.ts'
import { isBubbleUp, isInterrupt, roundOf, type RunnableConfigLike } from './pause.ts'
import { stateHashes } from './state.ts'

/** What makes a node's effect happen once. */
export interface NodeContract<State> extends UnitContract {
  /**
   * What in the state makes two executions the same: then also a repeated run, or another branch, does it once.
   * @default the task, which stays the same through LangGraph's retries and through a resume from a checkpoint: after a
   * crash only with `durability: 'sync'`, since a task whose checkpoint was lost is another one; in a graph without a
   * checkpointer the node's place in the run, where another state than the recorded one is refused
   */
  readonly identity?: (state: State) => unknown
}

/**
 * A LangGraph node whose effect happens once per task, or per `identity`: through `retryPolicy`, a node `timeout`, and a
 * resume after a crash. A repeat gives back what the node returned. An `interrupt()` passes, and is no result.
 * @throws OnefoldError CONTRACT_INVALID for a contract that contradicts itself, CONFIG_INVALID for one that is missing or
 * says what there is not
 */
export function protectNode<State, Config, Result>(
  guard: Guard,
  node: (state: State, config: Config) => Result | Promise<Result>,
  options: NodeContract<State>,
): (state: State, config: Config) => Promise<Result> {
  const takes = 'the function of a node as its second argument'
  assertGiven('protectNode', typeof (node as unknown) === 'function', takes, node)
  const { identity, ...contract } = knownOptions('protectNode', options, { ...UNIT_NAMES, identity: true })
  const call = guardUnit(guard, 'protectNode', contract)
  return async (state, config) => {
    const about = (config ?? {}) as RunnableConfigLike
    let own: { readonly result: Result } | undefined
    let passed: { readonly error: unknown } | undefined
    const execute = (context: ToolContext): Promise<unknown> =>
      pausable(isInterrupt, async () => {
        try {
          // Never LangGraph's signal: what has started goes on, and retries join it.
          const result = await node(state, bindContext({ ...config, signal: context.signal }, context))
          own = { result }
          return packCommand(result)
        } catch (error) {
          if (isBubbleUp(error)) passed = { error }
          throw error
        }
      })
    const of = identity === undefined ? placeOf(contract.name, about) : ['state', identity(state)]
    // A place says nothing of what is done there: a graph may be invoked twice in a run, for two orders.
    const binds = of[0] === 'place' ? stateHashes(state) : undefined
    let began = false
    const begin = (context: ToolContext): Promise<unknown> => {
      began = true
      return execute(context)
    }
    try {
      const { value } = await call(of, { signal: about.signal, round: roundOf(about), execute: begin, binds })
      return own === undefined ? (unpackCommand(value) as Result) : own.result
    } catch (error) {
      // The ledger has what became of it; LangGraph gets what it threw to itself.
      if (passed !== undefined) throw passed.error
      throw binds !== undefined && !began && isReused(error) ? diverged(contract.name, error) : error
    }
  }
}

const isReused = (error: unknown): error is OnefoldError => isOnefoldError(error) && error.code === 'KEY_REUSED'

function diverged(name: string, { effect, key, ticket, details }: OnefoldError): OnefoldError {
  const fields = (details['fields'] as readonly string[] | undefined)?.join(', ') ?? ''
  return new OnefoldError(
    'DIVERGED',
    `${name} is already recorded at this place in the run, with another state${fields === '' ? '' : ` (${fields})`}. No effect started; the earlier one stands. Where both are wanted, give protectNode an identity that tells them apart, or compile the graph with a checkpointer.`,
    { effect, ...(key === undefined ? {} : { key }), ...(ticket === undefined ? {} : { ticket }), details },
  )
}

/** The names of the graphs around this one, without the tasks' ids. */
const namesIn = (namespace: unknown): string =>
  typeof namespace === 'string' ? namespace.replaceAll(/:[0-9a-f-]{36}/g, '') : ''

/**
 * Which execution this is: LangGraph's task, where a checkpointer keeps it the same through a resume. Without one, each
 * `invoke` mints its own, and superstep and branch tell it within the run.
 */
function placeOf(name: string, { executionInfo, configurable, metadata }: RunnableConfigLike): readonly unknown[] {
  const run = currentRun()
  const task = executionInfo?.taskId
  const step = metadata?.['langgraph_step']
  if (task !== undefined && (run === undefined || configurable?.['__pregel_checkpointer'] !== undefined))
    return ['task', task]
  if (run !== undefined && step !== undefined) {
    const graph = namesIn(configurable?.['checkpoint_ns'])
    return ['place', run.id, graph, step, metadata?.['langgraph_path'] ?? null]
  }
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `${name} cannot tell which execution this is: call it as a node of a LangGraph graph, or give protectNode an identity. No effect started.`,
  )
}
