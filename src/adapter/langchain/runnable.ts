import { parseInput, type StandardSchemaV1 } from '../../contract/index.ts'
import { isForTheModel, jsonSchemaFrom, markGuarded, type AdaptedTool } from '../shared/index.ts'
import { copyOf } from './copy.ts'
import { isToolMessage } from './direct.ts'
import { isBubbleUp, type RunnableConfigLike } from './pause.ts'
import { isToolCall, type Call, type Invokable, type LangChainTool } from './invokable.ts'

/**
 * A runnable that was made a tool (`runnable.asTool`, @langchain/core `RunnableToolLike`). It has no function of its own:
 * it checks the arguments of a tool call, hands any other input on as it is, and answers with the bare result.
 */
export interface RunnableTool extends LangChainTool {
  readonly description?: string
  readonly schema?: unknown
  readonly bound?: unknown
  invoke(input: unknown, config?: RunnableConfigLike): Promise<unknown>
}

export const isRunnableTool = (tool: LangChainTool): tool is RunnableTool =>
  typeof (tool as Partial<RunnableTool>).invoke === 'function' && !('_call' in tool)

export const adaptedRunnable = (tool: RunnableTool): AdaptedTool => ({
  name: tool.name,
  description: tool.description,
  jsonSchema: jsonSchemaFrom(tool.schema),
  // Its class has one `invoke` for all; a protected one has its own.
  maker: Object.hasOwn(tool, 'invoke') ? tool.invoke : (tool.bound ?? tool),
  again: (input, { signal }) => tool.invoke(input, { signal }),
})

/** The runnable as a tool that is called with what its schema has made of the arguments. */
export const asInvokable = (tool: RunnableTool): Invokable => ({
  name: tool.name,
  invoke: (input, config) => tool.invoke(input, config),
  _call: async (input, _runManager, config) => {
    const result = await tool.invoke(input, config)
    // It knows no call that its message could answer: the agent makes one of what it says.
    return isToolMessage(result) && result.status !== 'error' ? result.content : result
  },
})

/** The tool with another function. What only a person can settle is its answer, beside which LangChain says nothing. */
export function runOnce(tool: RunnableTool, call: Call): RunnableTool {
  const invoke = async (input: unknown, config: RunnableConfigLike = {}): Promise<unknown> => {
    if (!isToolCall(input)) return await call(input, undefined, config)
    try {
      const args = isStandard(tool.schema) ? await parseInput(tool.name, tool.schema, input.args) : input.args
      return await call(args, undefined, { ...config, toolCall: input })
    } catch (error) {
      if (isBubbleUp(error) || !isForTheModel(error)) throw error
      return error.message
    }
  }
  return copyOf(tool, { invoke: markGuarded(invoke) })
}

const isStandard = (schema: unknown): schema is StandardSchemaV1 =>
  (typeof schema === 'object' || typeof schema === 'function') && schema !== null && '~standard' in schema
