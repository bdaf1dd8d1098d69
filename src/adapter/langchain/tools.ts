import type { ToolContext } from '../../contract/index.ts'
import { AnsweredError, type Guard } from '../../engine/index.ts'
import {
  assertGiven,
  bindContext,
  guardTools,
  isForTheModel,
  isLeftAlone,
  jsonSchemaFrom,
  markGuarded,
  pausable,
  type AdaptedTool,
  type AdapterOptions,
  type Contracts,
  type GuardedTool,
} from '../shared/index.ts'
import { besideResult } from './beside.ts'
import { copyOf, messageOf } from './copy.ts'
import { isToolMessage, packCommand, packedMessage, packMessage, unpackCommand } from './direct.ts'
import { isBubbleUp, isInterrupt, resultsIn, roundOf, type RunnableConfigLike } from './pause.ts'
import { isInvokable, isToolCall, type Call, type Invokable, type LangChainTool, type RunManager } from './invokable.ts'
import { adaptedRunnable, asInvokable, isRunnableTool, runOnce } from './runnable.ts'

/**
 * The same tools, each of whose effects happens once. Give the result to `createAgent`, a `ToolNode` or a node of your
 * own; results, thrown errors and interrupts pass unchanged. Only what a person must settle is told to the model in our
 * words, as a ToolMessage of status `error`, so that LangChain's "Please fix your mistakes." never stands beside it.
 * @throws OnefoldError CONTRACT_INVALID for a contract that contradicts itself or names no tool of the list
 */
export function protectTools<Tools extends readonly LangChainTool[] | []>(
  guard: Guard,
  tools: Tools,
  contracts: Contracts = {},
  options: AdapterOptions = {},
): Tools {
  assertGiven('protectTools', Array.isArray(tools), 'a list of tools as its second argument', tools)
  const at = { door: 'onefold/langchain', how: 'protectTools(guard, tools' }
  const guarded = guardTools(
    guard,
    at,
    (tools as readonly LangChainTool[])
      .flatMap((tool) => (isInvokable(tool) ? [adapted(tool)] : isRunnableTool(tool) ? [adaptedRunnable(tool)] : []))
      .filter(({ name, maker }) => !isLeftAlone(maker, name, contracts)),
    contracts,
    options,
  )
  return (tools as readonly LangChainTool[]).map((tool) => {
    const its = guarded.get(tool.name)
    if (its === undefined || its.kind === 'read') return tool
    if (isInvokable(tool)) return onceOnly(tool, (...call) => callOnce(tool, its, ...call))
    return isRunnableTool(tool) ? runOnce(tool, (...call) => callOnce(asInvokable(tool), its, ...call)) : tool
  }) as unknown as Tools
}

const adapted = (tool: Invokable): AdaptedTool => ({
  name: tool.name,
  description: tool.description,
  jsonSchema: jsonSchemaFrom(tool.schema),
  maker: (tool as { readonly func?: unknown }).func ?? tool,
  again: (input, { signal }) => resultOf(tool._call(input, undefined, { signal }), undefined),
})

/** The tool with another function; what LangChain must not say beside an error is said here. */
export function onceOnly(tool: Invokable, call: Call): Invokable {
  const once = markGuarded((input: unknown, runManager?: RunManager, config: RunnableConfigLike = {}) =>
    call(input, runManager, config),
  )
  const clone: Invokable = copyOf(tool, {
    _call: once,
    func: once,
    invoke: async (input: unknown, config?: RunnableConfigLike) => {
      try {
        return await tool.invoke.call(clone, input, config)
      } catch (error) {
        if (isBubbleUp(error) || !isToolCall(input) || !isForTheModel(error)) throw error
        return await messageOf(tool, input.id, error.message, 'error')
      }
    },
  })
  return clone
}

async function callOnce(
  tool: Invokable,
  guarded: GuardedTool,
  input: unknown,
  runManager: RunManager | undefined,
  config: RunnableConfigLike,
): Promise<unknown> {
  const callId = config.toolCall?.id
  let own: { readonly result: unknown } | undefined
  const execute = (context: ToolContext): Promise<unknown> =>
    pausable(isInterrupt, async () => {
      // Never the framework's signal: what has started goes on, and retries join it.
      const given = bindContext({ ...config, signal: context.signal }, context)
      const result = await resultOf(tool._call(input, runManager, given), runManager)
      own = { result }
      return storable(result, callId)
    })
  const told = await guarded.call(input, {
    callId,
    signal: config.signal,
    seen: resultsIn(config),
    round: roundOf(config),
    execute,
  })
  const result = own === undefined ? await restored(tool, told.value, callId) : own.result
  const note = guarded.note(told)
  return note === undefined ? result : besideResult(result, note, { responseFormat: tool.responseFormat, callId })
}

/** What a tool's function came to; an async generator is drained here, its events told as LangChain tells them. */
async function resultOf(raw: unknown, runManager: RunManager | undefined): Promise<unknown> {
  const result = await raw
  if (!isAsyncGenerator(result)) return result
  for (;;) {
    const { done, value } = await result.next()
    if (done === true) return value
    await runManager?.handleToolEvent?.(value)
  }
}

const isAsyncGenerator = (value: unknown): value is AsyncGenerator =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value && 'next' in value

/** @throws AnsweredError for a message that says that the tool failed: that is no result */
function storable(result: unknown, callId: string | undefined): unknown {
  if (!isToolMessage(result)) return packCommand(result, callId)
  if (result.status === 'error') throw new AnsweredError('the tool answered an error', result)
  return packMessage(result)
}

async function restored(tool: Invokable, value: unknown, callId: string | undefined): Promise<unknown> {
  const said = packedMessage(value)
  if (said === undefined) return unpackCommand(value, callId)
  const { constructor: Message } = (await messageOf(tool, 'replay', '', 'success')) as {
    constructor: new (fields: object) => unknown
  }
  return new Message({ ...said, tool_call_id: callId ?? said['tool_call_id'] })
}
