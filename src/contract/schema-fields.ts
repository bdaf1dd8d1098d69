import { nearest } from './nearest.ts'
import { stepsOf } from './fields.ts'

type Node = Readonly<Record<string, unknown>>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The JSON Schema of what a schema gives, where it can tell (Standard JSON Schema, https://standardschema.dev; zod
 * and arktype can, valibot cannot); else undefined.
 */
export function jsonSchemaOf(standard: object): unknown {
  const source: unknown = (standard as { readonly jsonSchema?: unknown }).jsonSchema
  if (!isNode(source) || typeof source['output'] !== 'function') return undefined
  try {
    return (source['output'] as (options: object) => unknown).call(source, { target: 'draft-2020-12' })
  } catch {
    // Types without a JSON form, such as Date, are no mistake of the contract.
    return undefined
  }
}

/** Words under which a JSON Schema may allow members that `properties` does not list. */
const OPEN = ['patternProperties', '$ref', '$dynamicRef', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas', 'not']

/**
 * Says whether a path names something that a JSON Schema certainly does not have, and which path was probably meant;
 * undefined when the schema has it or may have it.
 */
export function misspelt(schema: unknown, path: string): { readonly nearest: string | undefined } | undefined {
  const passed: string[] = []
  let node = schema
  for (const step of stepsOf(path)) {
    if (!isNode(node)) return undefined
    const { properties, additionalProperties: extra } = node
    if (OPEN.some((word) => Object.hasOwn(node as Node, word))) return undefined
    if (!isNode(properties) || (extra !== undefined && extra !== false)) return undefined
    if (!Object.hasOwn(properties, step)) {
      const meant = nearest(step, Object.keys(properties))
      return { nearest: meant === undefined ? undefined : [...passed, meant].join('.') }
    }
    passed.push(step)
    node = properties[step]
  }
  return undefined
}
