import type { ProtectedTool } from '../../engine/index.ts'
import { assertFactory, isForTheModel, inputSchemaOf, partsOf, withNote } from '../shared/index.ts'
import type { Details } from './tool.ts'

type Make = (options: never) => unknown

/**
 * A tool of `guard.tool` as a tool of @openai/agents, made by its own factory: `toOpenAiAgents(refundReturn, agents.tool)`.
 * Name, description and schema are carried over; the schema has to tell its JSON Schema (zod and arktype do).
 * @throws OnefoldError CONTRACT_INVALID for a schema that cannot
 */
export function toOpenAiAgents<Factory extends Make>(
  tool: ProtectedTool<never, unknown>,
  factory: Factory,
): ReturnType<Factory> {
  const parts = partsOf('toOpenAiAgents', tool)
  assertFactory('toOpenAiAgents', factory)
  inputSchemaOf('toOpenAiAgents', parts)
  const build = factory as unknown as (options: object) => unknown
  const built = build({
    name: parts.name,
    description: parts.description ?? '',
    parameters: parts.input,
    execute: async (input: never, _runContext: unknown, details?: Details) => {
      try {
        const told = await parts.call(input, { callId: details?.toolCall?.callId, signal: details?.signal })
        return withNote(told.value, parts.note(told))
      } catch (error) {
        // The SDK would show "Please try again." in its place.
        if (details?.signal?.aborted !== true && isForTheModel(error)) return error.message
        throw error
      }
    },
  })
  return built as ReturnType<Factory>
}
