import type { IncomingHttpHeaders } from 'node:http'

/** An argument that callers repeat in a header (MCP 2026-07-28, custom headers from tool parameters). */
interface Mirrored {
  readonly header: string
  readonly path: readonly string[]
}

/** What tools say in their schemas about headers, learnt from what the server lists. */
export interface ParamHeaders {
  /** Takes in a result of `tools/list`. */
  learn(result: string): void
  /** The header that does not say what the arguments say; undefined where all do. */
  wrong(tool: string, args: unknown, headers: IncomingHttpHeaders): string | undefined
  /** Names and values in turn, for a call of the proxy's own. */
  of(tool: string, args: unknown): readonly string[]
}

/** Names come from the server; it does not grow without end all the same. */
const KEPT = 10_000

export function createParamHeaders(): ParamHeaders {
  const byTool = new Map<string, readonly Mirrored[]>()
  let last: string | undefined
  return {
    learn(result) {
      if (result === last) return
      last = result
      const { tools } = JSON.parse(result) as { tools?: unknown }
      if (!Array.isArray(tools)) return
      for (const { name, inputSchema } of tools as { name?: unknown; inputSchema?: unknown }[]) {
        if (typeof name !== 'string') continue
        const found = mirroredIn(inputSchema, [])
        if (found.length === 0) byTool.delete(name)
        else if (byTool.size < KEPT) byTool.set(name, found)
      }
    },
    wrong(tool, args, headers) {
      return byTool.get(tool)?.find(({ header, path }) => {
        const value = valueAt(args, path)
        const given = headers[header]
        if (value === undefined || value === null) return given !== undefined
        return typeof given !== 'string' || !says(given, value)
      })?.header
    },
    of: (tool, args) =>
      (byTool.get(tool) ?? []).flatMap(({ header, path }) => {
        const value = valueAt(args, path)
        const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        return isPlain ? [header, encodedHeader(String(value))] : []
      }),
  }
}

const valueAt = (args: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (inner, step) => (typeof inner === 'object' && inner !== null ? (inner as never)[step] : undefined),
    args,
  )

/** Only through `properties`: what stands elsewhere in a schema is not reachable for sure. */
function mirroredIn(schema: unknown, path: readonly string[]): readonly Mirrored[] {
  const { properties } = (schema ?? {}) as { properties?: Readonly<Record<string, unknown>> }
  if (typeof properties !== 'object' || properties === null) return []
  return Object.entries(properties).flatMap(([name, inner]) => {
    const header = (inner as Record<string, unknown> | null)?.['x-mcp-header']
    const own =
      typeof header === 'string' ? [{ header: `mcp-param-${header.toLowerCase()}`, path: [...path, name] }] : []
    return [...own, ...mirroredIn(inner, [...path, name])]
  })
}

const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

function says(given: string, value: unknown): boolean {
  const text = decodedHeader(given)
  if (text === undefined) return false
  if (typeof value === 'number') return DECIMAL.test(text) && Number(text) === value
  return text === String(value)
}

/** What goes into a header as it is. */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** A text in the form that mirroring headers have. */
export const encodedHeader = (text: string): string =>
  PLAIN.test(text) && !text.startsWith('=?base64?') ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`

const SENTINEL = /^=\?base64\?(.*)\?=$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The text that a mirroring header stands for; undefined for one that is badly encoded. */
export function decodedHeader(value: string): string | undefined {
  const encoded = SENTINEL.exec(value)?.[1]
  if (encoded === undefined) return value
  return BASE64.test(encoded) ? Buffer.from(encoded, 'base64').toString() : undefined
}
