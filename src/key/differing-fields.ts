import { MAX_DEPTH } from './limits.ts'

const MOST_NAMES = 10

type Members = Readonly<Record<string, unknown>>

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  // Their canonical forms are equal: 2n is written as 2.
  return (
    typeof a !== typeof b && (typeof a === 'bigint' || typeof b === 'bigint') && isNumeric(a) && isNumeric(b) && a == b
  )
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function own(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined
}

function collect(a: unknown, b: unknown, path: string, depth: number, names: string[]): void {
  if (names.length >= MOST_NAMES || isSame(a, b)) return
  const under = (name: string | number): string => (path === '' ? String(name) : `${path}.${name}`)
  if (depth < MAX_DEPTH && isMembers(a) && isMembers(b)) {
    const all = new Set([...Object.keys(a), ...Object.keys(b)])
    for (const name of [...all].sort()) collect(own(a, name), own(b, name), under(name), depth + 1, names)
    return
  }
  if (depth < MAX_DEPTH && Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    for (let i = 0; i < a.length; i += 1) collect(a[i], b[i], under(i), depth + 1, names)
    return
  }
  names.push(path === '' ? '$' : path)
}

/**
 * Names the fields in which two plain JSON values differ, as dotted paths in sorted order (`customer.id`,
 * `items.3.sku`), never their values; at most ten. A member that is undefined counts as absent. Arrays of different
 * length differ as a whole; two values that differ at the root give `['$']`.
 */
export function differingFields(a: unknown, b: unknown): string[] {
  const names: string[] = []
  collect(a, b, '', 0, names)
  return names
}
