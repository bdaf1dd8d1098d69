import { jsonSchemaOf } from '../../contract/index.ts'

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
