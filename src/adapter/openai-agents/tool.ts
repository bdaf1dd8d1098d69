import type { ToolContext } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import {
  assertArguments,
  assertGiven,
  bindContext,
  contractFor,
  guardTools,
  isForTheModel,
  isGuarded,
  jsonSchemaFrom,
  markGuarded,
  withNote,
  type AdapterOptions,
  type Contracts,
  type GuardedTool,
} from '../shared/index.ts'

/** What this door reads of the options of `tool()` of @openai/agents. */
interface FactoryOptions {
  readonly name?: string
  readonly description?: string
  readonly parameters?: unknown
  readonly execute: (input: unknown, runContext?: unknown, details?: Details) => unknown
  readonly errorFunction?: ((runContext: unknown, error: unknown, details?: unknown) => unknown) | null
  readonly timeoutMs?: number
  readonly timeoutBehavior?: string
  readonly timeoutErrorFunction?: (runContext: unknown, error: unknown, details?: unknown) => unknown
  readonly outputSchema?: unknown
}

export interface Details {
  readonly toolCall?: { readonly callId?: string }
  readonly signal?: AbortSignal
}

type Factory = (options: never) => unknown

/**
 * The `tool` factory of @openai/agents, whose tools do each effect once: `const tool = protectTool(guard, agents.tool, …)`.
 * Schemas, approvals, guardrails and error functions stay as they are. Where the SDK would tell the model "Please try
 * again." beside a write whose outcome is unknown, the model reads what to do instead; and a tool that outlives its
 * `timeoutMs` is told as still running.
 * @throws OnefoldError CONTRACT_INVALID for a tool that is already built
 */
export function protectTool<Make extends Factory>(
  guard: Guard,
  tool: Make,
  contracts: Contracts = {},
  options: AdapterOptions = {},
): Make {
  if (typeof tool !== 'function') throw builtAlready(tool)
  const takes = 'the factory "tool" of @openai/agents, not yet protected, as its second argument'
  assertGiven('protectTool', !isGuarded(tool), takes, tool)
  assertArguments('protectTool', guard, contracts, options)
  const at = { door: 'onefold/openai-agents', how: 'protectTool(guard, agents.tool' }
  const build = tool as unknown as (given: FactoryOptions) => unknown
  const make = (given: FactoryOptions): unknown => {
    const isRunnable = typeof (given as Partial<FactoryOptions> | undefined)?.execute === 'function'
    assertGiven('tool', isRunnable, 'the options of a tool, { name, execute, … }', given)
    const name = given.name ?? given.execute.name
    const adapted = {
      name,
      description: given.description,
      jsonSchema: jsonSchemaFrom(given.parameters),
      maker: given.execute,
      again: (input: unknown, { signal }: ToolContext) => given.execute(input, undefined, { signal }),
    }
    const guarded = guardTools(guard, at, [adapted], contractFor(contracts, name), options).get(name)
    return build(
      guarded?.kind === 'read' ? given : { ...given, name, ...partsFor(name, guarded as GuardedTool, given) },
    )
  }
  return markGuarded(make) as unknown as Make
}

function partsFor(name: string, guarded: GuardedTool, options: FactoryOptions): Partial<FactoryOptions> {
  const { errorFunction } = options
  /** The SDK shows what a tool returns; an error it would replace by an invitation to try again. */
  const shows = errorFunction === undefined && options.outputSchema === undefined
  return {
    execute: async (input, runContext, details) => {
      // Never the SDK's signal: what has started goes on, and retries join it.
      const execute = (context: ToolContext): unknown =>
        options.execute(input, runContext, bindContext({ ...details, signal: context.signal }, context))
      try {
        const call = { callId: details?.toolCall?.callId, signal: details?.signal, execute }
        const told = await guarded.call(input, call)
        return withNote(told.value, guarded.note(told))
      } catch (error) {
        if (shows && details?.signal?.aborted !== true && isForTheModel(error)) return error.message
        throw error
      }
    },
    ...(typeof errorFunction === 'function'
      ? {
          errorFunction: (runContext, error, details) =>
            isForTheModel(error) ? error.message : errorFunction(runContext, error, details),
        }
      : {}),
    ...(saysTimedOut(options) ? { timeoutErrorFunction: () => stillRunning(name, options.timeoutMs) } : {}),
  }
}

/** True where the SDK's own text would tell the model that a call timed out, and leave it to guess the rest. */
const saysTimedOut = (options: FactoryOptions): options is FactoryOptions & { readonly timeoutMs: number } =>
  options.timeoutMs !== undefined &&
  options.timeoutErrorFunction === undefined &&
  options.timeoutBehavior !== 'raise_exception' &&
  options.outputSchema === undefined

const stillRunning = (name: string, ms: number): string =>
  `${name} is still running after ${ms} ms, and goes on: its outcome is recorded. Do not change its arguments; to get its answer, ask again later with the same ones.`

function builtAlready(tool: unknown): OnefoldError {
  const name = (tool as { readonly name?: unknown } | undefined)?.name
  const called = typeof name === 'string' ? ` (${name})` : ''
  return new OnefoldError(
    'CONTRACT_INVALID',
    `protectTool takes the factory "tool" of @openai/agents, not a tool that it has built${called}: a built tool answers its errors as text, so a failure would be recorded as its result. Write const tool = protectTool(guard, agents.tool) and build the tool with that. Nothing was protected.`,
  )
}
