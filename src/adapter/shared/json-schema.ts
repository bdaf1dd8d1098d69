import { jsonSchemaOf, type StandardSchemaV1 } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && !Array.isArray(value)

/**
 * The JSON Schema of a tool's input, whatever form the framework keeps it in: a Standard Schema that can tell it, an
 * object with a `jsonSchema`, or JSON Schema itself. Undefined where it cannot be told without the framework.
 */
export function jsonSchemaFrom(schema: unknown): unknown {
  if (!isNode(schema)) return undefined
  const standard = schema['~standard']
  if (isNode(standard)) return jsonSchemaOf(standard)
  const { jsonSchema } = schema
  if (isNode(jsonSchema)) return jsonSchema instanceof Promise ? undefined : jsonSchema
  return typeof schema['type'] === 'string' || isNode(schema['properties']) ? schema : undefined
}

/** Names of the fields at the top of an input. */
export function fieldsOf(jsonSchema: unknown): readonly string[] {
  const properties = isNode(jsonSchema) ? jsonSchema['properties'] : undefined
  return isNode(properties) ? Object.keys(properties) : []
}

/**
 * The JSON Schema of what a model hands to a tool, before the schema transforms it (Standard JSON Schema).
 * @throws OnefoldError CONTRACT_INVALID where the schema cannot tell it
 */
export function inputSchemaOf(
  door: string,
  tool: { readonly name: string; readonly input: StandardSchemaV1 },
): unknown {
  const source = (tool.input['~standard'] as { readonly jsonSchema?: unknown }).jsonSchema
  const tell = isNode(source) ? source['input'] : undefined
  try {
    if (typeof tell === 'function')
      return (tell as (options: object) => unknown).call(source, { target: 'draft-2020-12' })
  } catch {
    // Types without a JSON form, such as Date.
  }
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `${door}: the schema of ${tool.name} cannot tell its JSON Schema, so no model could be shown it. Declare the input with zod or arktype. Nothing was made.`,
    { details: { contract: tool.name } },
  )
}
