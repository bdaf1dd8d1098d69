/** The value at a dotted path; undefined where there is none. */
export function atPath(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | null | undefined)?.[name], value)
}

/**
 * The same input said otherwise: another value of the same type at a path. Given a bare value, that value said otherwise.
 * Undefined for what has no other wording (an absent field, a list, an object).
 */
export function reworded(value: unknown, path = ''): unknown {
  if (path !== '') {
    const [name = '', ...rest] = path.split('.')
    const fields = value as Readonly<Record<string, unknown>>
    return { ...fields, [name]: reworded(fields[name], rest.join('.')) }
  }
  if (typeof value === 'string') return `${value} (in other words)`
  if (typeof value === 'number') return value + 1
  if (typeof value === 'boolean') return !value
  return undefined
}
