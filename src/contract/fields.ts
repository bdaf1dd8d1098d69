const SEPARATOR = '.'

/** The steps of a dotted path. A field whose own name has a dot in it cannot be named by a path. */
export function stepsOf(path: string): readonly string[] {
  return path.split(SEPARATOR)
}

/** True for a path that names something: text whose steps are all non-empty. */
export function isFieldPath(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !stepsOf(value).includes('')
}

/** True if one path leads to, or through, what the other names. */
export function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(b + SEPARATOR) || b.startsWith(a + SEPARATOR)
}

function ownValue(container: unknown, step: string): unknown {
  if (typeof container !== 'object' || container === null) return undefined
  if (Array.isArray(container) && step === 'length') return undefined
  return Object.getOwnPropertyDescriptor(container, step)?.value
}

/** The value at a path, over own data properties only; undefined where there is none. */
export function valueAt(input: unknown, path: string): unknown {
  let value = input
  for (const step of stepsOf(path)) value = ownValue(value, step)
  return value
}

function isCopyable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.getOwnPropertySymbols(value).length === 0
}

function without(value: unknown, steps: readonly string[], from: number): unknown {
  const step = steps[from]
  // Objects that have no canonical form stay as they are, and are refused there.
  if (step === undefined || !isCopyable(value) || !Object.hasOwn(value, step)) return value
  const copy: Record<string, unknown> = {}
  for (const name of Object.keys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, name) as PropertyDescriptor
    if (name === step) {
      if (from === steps.length - 1) continue
      if ('value' in property) property.value = without(property.value, steps, from + 1)
    }
    if ('value' in property && !(name in copy)) copy[name] = property.value
    else Object.defineProperty(copy, name, { ...property, configurable: true })
  }
  return copy
}

/** The input without the fields at the paths. The input itself is left alone; accessors are not called. */
export function omit(input: unknown, paths: readonly string[]): unknown {
  let value = input
  for (const path of paths) value = without(value, stepsOf(path), 0)
  return value
}
