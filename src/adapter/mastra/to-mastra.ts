import type { ProtectedTool } from '../../engine/index.ts'
import { assertFactory, inputSchemaOf, partsOf, withNote } from '../shared/index.ts'
import type { Context } from './suspend.ts'

type Make = (options: never) => unknown

/**
 * A tool of `guard.tool` as a tool of Mastra, made by its own factory: `toMastra(refundReturn, createTool)`. Name,
 * description and schema are carried over; the schema has to tell its JSON Schema (zod and arktype do).
 * @throws OnefoldError CONTRACT_INVALID for a schema that cannot
 */
export function toMastra<Factory extends Make>(
  tool: ProtectedTool<never, unknown>,
  factory: Factory,
): ReturnType<Factory> {
  const parts = partsOf('toMastra', tool)
  assertFactory('toMastra', factory)
  inputSchemaOf('toMastra', parts)
  const build = factory as unknown as (options: object) => unknown
  const built = build({
    id: parts.name,
    description: parts.description ?? '',
    inputSchema: parts.input,
    execute: async (input: never, context: Context = {}) => {
      const told = await parts.call(input, {
        callId: context.agent?.toolCallId ?? context.toolCallId,
        signal: context.abortSignal,
      })
      return withNote(told.value, parts.note(told))
    },
  })
  return built as ReturnType<Factory>
}
