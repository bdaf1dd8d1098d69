import type { ProtectedTool } from '../../engine/index.ts'
import { assertFactory, inputSchemaOf, partsOf, withNote } from '../shared/index.ts'
import type { Invokable } from './invokable.ts'
import { onceOnly } from './tools.ts'

type Make = (...given: never[]) => unknown

/**
 * A tool of `guard.tool` as a tool of LangChain, made by its own factory: `toLangChain(refundReturn, tool)`. Name,
 * description and schema are carried over; the schema has to tell its JSON Schema (zod and arktype do).
 * @throws OnefoldError CONTRACT_INVALID for a schema that cannot
 */
export function toLangChain<Factory extends Make>(
  tool: ProtectedTool<never, unknown>,
  factory: Factory,
): ReturnType<Factory> {
  const parts = partsOf('toLangChain', tool)
  assertFactory('toLangChain', factory)
  const build = factory as unknown as (work: () => unknown, fields: object) => Invokable
  const built = build(() => undefined, {
    name: parts.name,
    ...(parts.description === undefined ? {} : { description: parts.description }),
    schema: inputSchemaOf('toLangChain', parts),
  })
  const once = onceOnly(built, async (input, _runManager, config) => {
    const told = await parts.call(input as never, { callId: config.toolCall?.id, signal: config.signal })
    return withNote(told.value, parts.note(told))
  })
  return once as ReturnType<Factory>
}
