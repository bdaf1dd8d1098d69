/** A route's pattern, ready to match. */
export interface Pattern {
  readonly method: string
  readonly text: string
  /** Names of the parts that vary; `*` for the rest of the path. */
  readonly names: readonly string[]
  /** The values of the varying parts; undefined where the path is another one. */
  match(segments: readonly string[]): Readonly<Record<string, string>> | undefined
}

const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

export type PatternProblem = { readonly problem: string; readonly fix: string }

/**
 * Reads `POST /v1/orders/:id`, `GET /**`: a method (or `*`), then a path whose segments are text, `:name`, `*` for one
 * segment, or a last `**` for any number of them.
 */
export function readPattern(text: string): Pattern | PatternProblem {
  const [method = '', path = '', ...more] = text.trim().split(/ +/)
  if (more.length > 0 || !path.startsWith('/'))
    return { problem: 'is no route', fix: 'Write a method and a path, as POST /v1/orders/:id' }
  if (method !== '*' && !(METHODS as readonly string[]).includes(method))
    return { problem: `has no method ${JSON.stringify(method)}`, fix: `Write one of ${METHODS.join(', ')} or *` }
  const parts = segmentsOf(path)
  if (parts === undefined) return { problem: 'has a path that cannot be read', fix: 'Write plain segments' }
  const names: string[] = []
  for (const [index, part] of parts.entries()) {
    const name = part === '**' ? '*' : part === '*' ? String(index) : part.startsWith(':') ? part.slice(1) : undefined
    if (part === '**' && index !== parts.length - 1)
      return { problem: 'has ** before its end', fix: 'Put ** at the end of the path' }
    if (name === undefined) continue
    if (!/^(?:[A-Za-z_]\w*|\*|\d+)$/.test(name)) return { problem: `has no name ${part}`, fix: 'Write :name' }
    if (names.includes(name)) return { problem: `names ${part} twice`, fix: 'Give each part its own name' }
    names.push(name)
  }
  return { method, text: `${method} ${path}`, names, match: (segments) => matchParts(parts, segments) }
}

function matchParts(
  parts: readonly string[],
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const rest = parts.at(-1) === '**'
  if (rest ? segments.length < parts.length - 1 : segments.length !== parts.length) return undefined
  const found: Record<string, string> = {}
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index] as string
    if (part === '**') found['*'] = segments.slice(index).join('/')
    else if (part === '*') found[String(index)] = segments[index] as string
    else if (part.startsWith(':')) found[part.slice(1)] = segments[index] as string
    else if (part !== segments[index]) return undefined
  }
  return found
}

/**
 * The decoded segments of a path; undefined for one that several servers would read differently: dot segments, encoded
 * slashes and dots, backslashes, control characters, broken escapes.
 */
export function segmentsOf(path: string): readonly string[] | undefined {
  if (path.charCodeAt(0) !== 0x2f) return undefined
  const parts = path.slice(1).split('/')
  for (let index = 0; index < parts.length; index += 1) {
    const decoded = decode(parts[index] as string)
    if (decoded === undefined || decoded === '.' || decoded === '..') return undefined
    for (let at = 0; at < decoded.length; at += 1) {
      const code = decoded.charCodeAt(at)
      if (code < 0x20 || code === 0x7f || code === 0x5c || code === 0x2f) return undefined
    }
    parts[index] = decoded
  }
  return parts
}

function decode(part: string): string | undefined {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** The first pattern that fits, with its values. Patterns are tried in the order they are given. */
export function firstMatch<Route extends { readonly pattern: Pattern }>(
  routes: readonly Route[],
  method: string,
  segments: readonly string[],
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | undefined {
  for (const route of routes) {
    const { pattern } = route
    if (!takes(pattern, method)) continue
    const params = pattern.match(segments)
    if (params !== undefined) return { route, params }
  }
  return undefined
}

const takes = (pattern: Pattern, method: string): boolean =>
  pattern.method === '*' || pattern.method === method || (pattern.method === 'GET' && method === 'HEAD')

/** The first route all of whose requests one before it takes, and that one: what it declares would protect nothing. */
export function hiddenRoute(routes: readonly string[]): { readonly at: number; readonly before: string } | undefined {
  for (const at of routes.keys()) {
    const before = hiddenBy(routes, at)
    if (before !== undefined) return { at, before }
  }
  return undefined
}

function hiddenBy(routes: readonly string[], at: number): string | undefined {
  const [method = '', path = ''] = (routes[at] as string).trim().split(/ +/)
  // Parts that vary stand for themselves: only a part that varies too takes them.
  const parts = segmentsOf(path) ?? []
  const examples = parts.at(-1) === '**' ? [parts.slice(0, -1), parts, [...parts, '**']] : [parts]
  return routes.slice(0, at).find((earlier) => {
    const pattern = readPattern(earlier)
    if ('problem' in pattern || !takes(pattern, method)) return false
    return examples.every((segments) => pattern.match(segments) !== undefined)
  })
}
