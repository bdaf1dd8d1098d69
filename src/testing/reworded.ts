import { randomUUID } from 'node:crypto'
import type { Contract } from '../contract/index.ts'

/** The value at a dotted path; undefined where there is none. */
function atPath(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | null | undefined)?.[name], value)
}

/** The same input with another value at a path; lists and objects on the way are copied. */
function replaced(value: unknown, [name = '', ...rest]: readonly string[], by: unknown): unknown {
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>
  copy[name] = rest.length === 0 ? by : replaced(copy[name], rest, by)
  return copy
}

/** Other values of the same type, from free text to the forms that schemas ask of a text. */
function others(value: unknown): readonly unknown[] {
  if (typeof value === 'string')
    return [
      `${value} (in other words)`,
      `other-${value}`,
      `${value}0`,
      randomUUID(),
      `${value}?other`,
      ...otherTimes(value),
    ]
  if (typeof value === 'number') return [value + 1, value - 1, value / 2]
  if (typeof value === 'boolean') return [!value]
  return []
}

const DAY_MS = 86_400_000

/** Another day in the form of a date, a time, or both. */
function otherTimes(value: string): readonly string[] {
  const ms = Date.parse(value)
  if (Number.isNaN(ms)) return []
  const other = new Date(ms + DAY_MS).toISOString()
  return [other, other.slice(0, 10), other.slice(0, 19)]
}

/**
 * The same input said otherwise: another value of the same type at a path, which the tool's schema takes. Undefined for
 * what has no other wording (an absent field, a list, an object, one word of a few): a call with it would be refused
 * before it could do anything, and show nothing.
 */
export async function reworded<Input>(contract: Contract, input: Input, path: string): Promise<Input | undefined> {
  for (const other of others(atPath(input, path))) {
    const said = replaced(input, path.split('.'), other) as Input
    try {
      await contract.parse(said)
      return said
    } catch {
      // The next one, then.
    }
  }
  return undefined
}
