import type { ToolContext } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import {
  assertArguments,
  assertGiven,
  bindContext,
  contractFor,
  guardTools,
  isGuarded,
  jsonSchemaFrom,
  markGuarded,
  pausable,
  withNote,
  type AdapterOptions,
  type Contracts,
  type GuardedTool,
} from '../shared/index.ts'
import { isSuspended, noticingSuspend, resultsIn, roundOf, suspendedResult, type Context } from './suspend.ts'

/** What this door reads of the options of `createTool` of @mastra/core. */
interface FactoryOptions {
  readonly id: string
  readonly description?: string
  readonly inputSchema?: unknown
  readonly execute?: (input: unknown, context?: Context) => unknown
}

type Factory = (options: never) => unknown

/**
 * `createTool` of @mastra/core, whose tools do each effect once: `const createTool = protectTool(guard, mastra.createTool, …)`.
 * Schemas, approval and model output stay as they are. A tool that suspends has no result yet: when it is resumed it goes
 * on as the same operation.
 */
export function protectTool<Make extends Factory>(
  guard: Guard,
  createTool: Make,
  contracts: Contracts = {},
  options: AdapterOptions = {},
): Make {
  const takes = 'the factory createTool of @mastra/core/tools, not yet protected, as its second argument'
  const isFactory = typeof (createTool as unknown) === 'function' && !isGuarded(createTool)
  assertGiven('protectTool', isFactory, takes, createTool)
  assertArguments('protectTool', guard, contracts, options)
  const at = { door: 'onefold/mastra', how: 'protectTool(guard, createTool' }
  const build = createTool as unknown as (given: FactoryOptions) => unknown
  const make = (given: FactoryOptions): unknown => {
    assertGiven('createTool', typeof given === 'object', 'the options of a tool, { id, … }', given)
    const { execute, id } = given
    if (execute === undefined) return build(given)
    const adapted = {
      name: id,
      description: given.description,
      jsonSchema: jsonSchemaFrom(given.inputSchema),
      maker: execute,
      again: (input: unknown, { signal }: ToolContext) => execute(input, { abortSignal: signal }),
    }
    const guarded = guardTools(guard, at, [adapted], contractFor(contracts, id), options).get(id) as GuardedTool
    if (guarded.kind === 'read') return build(given)
    const built = build({ ...given, execute: onceOnly(guarded, execute) }) as { readonly execute?: object }
    // What is built is options of the factory, too.
    if (built.execute !== undefined) markGuarded(built.execute)
    return built
  }
  return markGuarded(make) as unknown as Make
}

const onceOnly =
  (guarded: GuardedTool, execute: NonNullable<FactoryOptions['execute']>) =>
  async (input: unknown, context: Context = {}): Promise<unknown> => {
    // Never the agent's signal: what has started goes on, and retries join it.
    const run = (protectedBy: ToolContext): Promise<unknown> =>
      pausable(isSuspended, () =>
        noticingSuspend(context, (watched) =>
          execute(input, bindContext({ ...watched, abortSignal: protectedBy.signal }, protectedBy)),
        ),
      )
    const callId = context.agent?.toolCallId ?? context.toolCallId
    try {
      const signal = context.abortSignal
      const call = { callId, signal, seen: resultsIn(context), round: roundOf(context), execute: run }
      const told = await guarded.call(input, call)
      return withNote(told.value, guarded.note(told))
    } catch (error) {
      return suspendedResult(error)
    }
  }
