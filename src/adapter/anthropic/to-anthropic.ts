import type { ProtectedTool } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { markGuarded, partsOf } from '../shared/index.ts'
import { withNote } from './result.ts'

/** A tool of `guard.tool` as the tool runner takes it. */
export interface RunnableTool<Input> {
  readonly type: 'custom'
  readonly name: string
  readonly description: string
  readonly input_schema: { readonly type: 'object'; readonly [word: string]: unknown }
  run(
    input: Input,
    context?: { readonly toolUse: { readonly id: string }; readonly signal?: AbortSignal | null | undefined },
  ): Promise<string>
  parse(content: unknown): Input
}

/**
 * A tool of `guard.tool` for `client.beta.messages.toolRunner`. Results that are no text are shown as JSON.
 * @throws OnefoldError CONTRACT_INVALID where the schema cannot tell its JSON Schema
 */
export function toAnthropic<Input, Output>(tool: ProtectedTool<Input, Output>): RunnableTool<Input> {
  const parts = partsOf('toAnthropic', tool)
  const schema = parts.jsonSchema as RunnableTool<Input>['input_schema'] | undefined
  if (schema?.type !== 'object') throw noSchema(parts.name, 'a JSON Schema of an object (zod and arktype tell theirs)')
  return {
    type: 'custom',
    name: parts.name,
    description: parts.description ?? '',
    input_schema: schema,
    // The tool itself validates: it is given what the model sent.
    parse: (content) => content as Input,
    run: markGuarded<RunnableTool<Input>['run']>(async (input, context) => {
      const told = await parts.call(input, { callId: context?.toolUse.id, signal: context?.signal ?? undefined })
      return withNote(textOf(told.value), parts.note(told)) as string
    }),
  }
}

/** A tool of `guard.tool` as `createSdkMcpServer` of the Claude Agent SDK takes it. */
export interface AgentTool<Shape> {
  readonly name: string
  readonly description: string
  readonly inputSchema: Shape
  handler(input: unknown, extra: unknown): Promise<{ content: { type: 'text'; text: string }[] }>
}

/**
 * A tool of `guard.tool` for the Claude Agent SDK, which takes the fields of a zod object.
 * @param shape the fields, `schema.shape`; they must be those of the tool's own schema
 */
export function toAgentTool<Input, Output, Shape extends object>(
  tool: ProtectedTool<Input, Output>,
  shape: Shape,
): AgentTool<Shape> {
  const parts = partsOf('toAgentTool', tool)
  return {
    name: parts.name,
    description: parts.description ?? '',
    inputSchema: shape,
    handler: markGuarded<AgentTool<Shape>['handler']>(async (input, extra) => {
      const { signal } = (extra ?? {}) as { readonly signal?: AbortSignal }
      const told = await parts.call(input as Input, { signal })
      return withNote({ content: [{ type: 'text', text: textOf(told.value) }] }, parts.note(told)) as {
        content: { type: 'text'; text: string }[]
      }
    }),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

const noSchema = (name: string, what: string): OnefoldError =>
  new OnefoldError('CONTRACT_INVALID', `${name}: its schema does not tell ${what}. Nothing was registered.`, {
    details: { contract: name },
  })
