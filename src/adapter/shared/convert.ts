import type { StandardSchemaV1 } from '../../contract/index.ts'
import type { Outcome, ProtectedTool } from '../../engine/index.ts'
import { assertGiven } from './given.ts'
import { jsonSchemaFrom } from './json-schema.ts'
import { forFramework, noteFor, type Told } from './told.ts'

/** How a framework calls a tool that was made by `guard.tool`. */
export interface ToolCall {
  readonly callId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** A tool of `guard.tool`, taken apart for a framework. */
export interface ToolParts<Input, Output> {
  readonly name: string
  readonly description: string | undefined
  /** Checks like the tool's own schema, and hands the input on as it came: the tool itself validates and transforms it. */
  readonly input: StandardSchemaV1<Input, Input>
  /** JSON Schema of the input; undefined where the schema cannot tell it. */
  readonly jsonSchema: unknown
  call(input: Input, call?: ToolCall): Promise<Told & { readonly value: Output }>
  /** False where nothing is ever told beside a result. */
  readonly mayNote: boolean
  /** What the model is told beside the result; undefined in the ordinary case. */
  note(told: Told): string | undefined
}

/**
 * Name, description, schema and calls of a tool that was declared with `guard.tool`.
 * @throws OnefoldError CONFIG_INVALID for what is no such tool
 */
export function partsOf<Input, Output>(door: string, tool: ProtectedTool<Input, Output>): ToolParts<Input, Output> {
  const isOurs = typeof (tool as unknown) === 'function' && typeof (tool as Partial<typeof tool>).perform === 'function'
  assertGiven(door, isOurs, 'a tool that guard.tool({ … }) has made as its first argument', tool)
  const { contract } = tool
  const own = contract.input['~standard']
  const input = {
    '~standard': {
      ...own,
      vendor: 'onefold',
      validate: (value: unknown) => {
        const pass = (result: StandardSchemaV1.Result<unknown>): StandardSchemaV1.Result<Input> =>
          result.issues === undefined ? { value: value as Input } : result
        const result = own.validate(value)
        return result instanceof Promise ? result.then(pass) : pass(result)
      },
    },
  } as StandardSchemaV1<Input, Input>
  return {
    name: contract.name,
    description: contract.description,
    input,
    jsonSchema: jsonSchemaFrom(contract.input),
    call: (value, call = {}) =>
      forFramework(tool.perform(value, call) as Promise<Outcome>) as Promise<Told & { readonly value: Output }>,
    mayNote: contract.verify !== undefined || contract.notice === 'model',
    note: (told) => noteFor(told, contract.notice),
  }
}
