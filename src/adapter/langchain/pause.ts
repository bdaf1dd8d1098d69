/** What this door reads of the config that LangChain and LangGraph hand to a tool or a node. */
export interface RunnableConfigLike {
  readonly signal?: AbortSignal
  readonly toolCall?: { readonly id?: string }
  readonly callbacks?: unknown
  readonly configurable?: Readonly<Record<string, unknown>>
  /** The state of the graph, as a ToolNode hands it to its tools. */
  readonly state?: unknown
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly executionInfo?: { readonly taskId?: string; readonly threadId?: string }
}

/**
 * True for what LangGraph throws to stop and ask a person (`interrupt()`, NodeInterrupt): neither a result nor a failure.
 * By name, as LangGraph's own `isGraphInterrupt` tells it.
 */
export const isInterrupt = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'GraphInterrupt' || error.name === 'NodeInterrupt')

/** True for everything that LangGraph throws to itself (`is_bubble_up`): it must pass unchanged. */
export const isBubbleUp = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && (error as { is_bubble_up?: unknown }).is_bubble_up === true

/** Calls whose results the state of the graph holds: the model has seen them, or a later request will show them. */
export function resultsIn({ state }: RunnableConfigLike): readonly string[] {
  const messages = (state as { readonly messages?: unknown } | undefined)?.messages
  if (!Array.isArray(messages)) return []
  return (messages as readonly { readonly tool_call_id?: unknown }[]).flatMap(({ tool_call_id: id }) =>
    typeof id === 'string' ? [id] : [],
  )
}

/** Which round of questions this is: what the people asked so far have answered; none before the first answer. */
export function roundOf(config: RunnableConfigLike | undefined): string | undefined {
  const scratchpad = config?.configurable?.['__pregel_scratchpad'] as
    | { readonly resume?: readonly unknown[]; readonly nullResume?: unknown }
    | undefined
  const answers = [
    ...(scratchpad?.resume ?? []),
    ...(scratchpad?.nullResume === undefined ? [] : [scratchpad.nullResume]),
  ]
  return answers.length === 0 ? undefined : JSON.stringify(answers)
}
