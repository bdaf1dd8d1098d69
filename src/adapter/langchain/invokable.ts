import type { RunnableConfigLike } from './pause.ts'

/** What this door needs of a tool of LangChain 1 (@langchain/core `StructuredToolInterface`). */
export interface LangChainTool {
  readonly name: string
}

export interface RunManager {
  handleToolEvent?(chunk: unknown): Promise<void>
}

export interface Invokable extends LangChainTool {
  readonly description?: string
  readonly schema?: unknown
  readonly responseFormat?: string
  invoke(input: unknown, config?: RunnableConfigLike): Promise<unknown>
  _call(input: unknown, runManager?: RunManager, config?: RunnableConfigLike): unknown
}

interface ToolCallLike {
  readonly type: 'tool_call'
  readonly id?: string
  readonly args?: unknown
}

/** Tools that the model's provider runs are plain data; there is nothing to protect here. */
export const isInvokable = (tool: LangChainTool): tool is Invokable =>
  typeof (tool as Partial<Invokable>).invoke === 'function' && typeof (tool as Partial<Invokable>)._call === 'function'

export type Call = (input: unknown, runManager: RunManager | undefined, config: RunnableConfigLike) => Promise<unknown>

export const isToolCall = (input: unknown): input is ToolCallLike =>
  typeof input === 'object' && input !== null && (input as Partial<ToolCallLike>).type === 'tool_call'
