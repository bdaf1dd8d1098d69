import type { IncomingMessage } from 'node:http'
import type { Answer } from '../../http/exchange/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { memberOf, membersAt, skipSpace } from '../proxy/spans.ts'
import { stringAt } from '../proxy/message.ts'

/** What in `params` the header `Mcp-Name` repeats (MCP 2026-07-28, Streamable HTTP, standard request headers). */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
}
const HEADER_MISMATCH = -32020
const SENTINEL = /^=\?base64\?(.*)\?=$/

/**
 * The refusal of a request whose headers say something else than its body: between a router that reads the one and a
 * server that reads the other, two requests would hide in it. Undefined where they agree.
 */
export function mismatch({ headers }: IncomingMessage, body: string, id: string | undefined): Answer | undefined {
  const members = membersAt(body, skipSpace(body, 0)) ?? []
  const method = memberOf(members, 'method')
  const params = memberOf(members, 'params')
  const inner = (params === undefined ? undefined : membersAt(body, params.start)) ?? []
  const meta = memberOf(inner, '_meta')
  const version = memberOf((meta === undefined ? undefined : membersAt(body, meta.start)) ?? [], VERSION)
  const methodName = method === undefined ? undefined : stringAt(body, method)
  const source = memberOf(inner, NAMED[methodName ?? ''] ?? '')
  const wanted: readonly (readonly [header: string, value: string | undefined])[] = [
    ['mcp-protocol-version', version === undefined ? undefined : stringAt(body, version)],
    ['mcp-method', methodName],
    ...(source === undefined ? [] : [['mcp-name', stringAt(body, source)] as const]),
  ]
  for (const [header, value] of wanted) {
    const given = headers[header]
    if (value === undefined || (typeof given === 'string' && decoded(given) === value)) continue
    const message = `Bad Request: the header ${header} ${given === undefined ? 'is missing' : 'does not say what the body says'}`
    return {
      status: 400,
      headers: [['content-type', 'application/json']],
      body: errorLine(id ?? 'null', JSON.stringify({ code: HEADER_MISMATCH, message })).trimEnd(),
    }
  }
  return undefined
}

const VERSION = 'io.modelcontextprotocol/protocolVersion'

const decoded = (value: string): string => {
  const encoded = SENTINEL.exec(value)?.[1]
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString()
}

/** The HTTP status of a JSON-RPC error (MCP 2026-07-28, Streamable HTTP and errors). */
export function statusOfError(error: string): number {
  const { code } = JSON.parse(error) as { code?: unknown }
  if (code === -32601) return 404
  return code === -32020 || code === -32021 || code === -32022 || code === -32700 || code === -32600 ? 400 : 200
}
