import type { StandardSchemaV1 } from '../../contract/index.ts'
import type { ProtectedTool } from '../../engine/index.ts'
import { markGuarded, partsOf } from '../shared/index.ts'
import { withNotes } from './notes.ts'

/** A tool of `guard.tool`, as both majors of `ai` take it into a tool set. */
export interface AiSdkTool<Input, Output> {
  readonly description?: string
  readonly inputSchema: StandardSchemaV1<unknown, Input>
  execute(
    input: Input,
    options: { readonly toolCallId: string; readonly abortSignal?: AbortSignal | undefined },
  ): Promise<Output>
}

/**
 * A tool of `guard.tool` for the AI SDK: its name stays the key under which you put it into the tool set. The schema has
 * to tell its JSON Schema (zod and arktype do).
 * @throws OnefoldError CONFIG_INVALID for what is no tool of `guard.tool`
 */
export function toAiSdk<Input, Output>(tool: ProtectedTool<Input, Output>): AiSdkTool<Input, Output> {
  const parts = partsOf('toAiSdk', tool)
  const notes = withNotes({})
  return {
    ...(parts.description === undefined ? {} : { description: parts.description }),
    inputSchema: parts.input,
    execute: markGuarded<AiSdkTool<Input, Output>['execute']>(async (input, { toolCallId, abortSignal }) => {
      const told = await parts.call(input, { callId: toolCallId, signal: abortSignal })
      notes.add(toolCallId, parts.note(told))
      return told.value
    }),
    ...(parts.mayNote ? { toModelOutput: notes.toModelOutput } : {}),
  }
}
