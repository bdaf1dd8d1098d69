import { readPattern, segmentsOf, type DeclaredRoute } from '../http/exchange/index.ts'
import type { Reader, Value } from './reader.ts'

/**
 * Refuses a route whose every request an earlier one takes: what it declares would protect nothing.
 * @throws OnefoldError CONFIG_INVALID
 */
export function refuseUnreachable(reader: Reader, values: readonly Value[], routes: readonly DeclaredRoute[]): void {
  for (const [at, { match }] of routes.entries()) {
    const before = routes.slice(0, at).findIndex((earlier) => covers(earlier.match, match))
    if (before === -1) continue
    reader.fail(
      values[at] as Value,
      `is never reached: the first route that fits is taken, and ${routes[before]?.match} before it fits all its requests`,
      'Put it before that one, or take one of them out',
    )
  }
}

function covers(earlier: string, later: string): boolean {
  const pattern = readPattern(earlier)
  const [method = '', path = ''] = later.trim().split(/ +/)
  if ('problem' in pattern) return false
  if (pattern.method !== '*' && pattern.method !== method && !(pattern.method === 'GET' && method === 'HEAD'))
    return false
  // Parts that vary stand for themselves: only a part that varies too takes them.
  const parts = segmentsOf(path) ?? []
  const examples = parts.at(-1) === '**' ? [parts.slice(0, -1), parts, [...parts, '**']] : [parts]
  return examples.every((segments) => pattern.match(segments) !== undefined)
}
