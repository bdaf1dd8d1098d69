import type { Answer } from '../../http/exchange/index.ts'

/** JSON-RPC 2.0 section 5.1 and MCP 2026-07-28: said of a message before it reaches a tool. -32000 is the SDK's own. */
const BEFORE_TOOLS: ReadonlySet<unknown> = new Set([-32700, -32600, -32601, -32602, -32020, -32022, -32000])
/**
 * What an MCP endpoint answers before it reads a message: credentials, sessions, methods, forms (Streamable HTTP), and
 * that the request is to be made elsewhere (RFC 9110, 307 and 308; the older 301 to 303 also follow a request that was run).
 */
const BEFORE_READING: ReadonlySet<number> = new Set([307, 308, 401, 403, 404, 405, 406, 413, 415])

/** The MCP server answered with an HTTP status of its own instead of a JSON-RPC answer. */
export class HttpRefused extends Error {
  override readonly name = 'HttpRefused'
  readonly status: number
  /** As it came, for the caller of this attempt. */
  readonly response: Answer
  /** True where the status and the code say that no tool was reached. */
  readonly beforeCall: boolean
  /** @param status of the server, where its caller is told another one */
  constructor(response: Answer, status: number = response.status) {
    super(`the MCP server answered HTTP ${status}`)
    this.status = status
    this.response = response
    this.beforeCall = BEFORE_READING.has(status) || (status === 400 && isBeforeTools(response.body))
  }
}

/** The SDK's complaints about what a tool gave back come after the effect. */
export const isAboutOutput = (text: string): boolean => {
  const lower = text.toLowerCase()
  return lower.includes('output') || lower.includes('structured content')
}

function isBeforeTools(body: Answer['body']): boolean {
  try {
    const text = typeof body === 'string' ? body : Buffer.from(body ?? '').toString()
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } }
    return BEFORE_TOOLS.has(error?.code) && !isAboutOutput(String(error?.message))
  } catch {
    return false
  }
}
