import type { IncomingMessage } from 'node:http'
import type { Answer } from '../../http/exchange/index.ts'
import { errorLine } from '../proxy/answers.ts'
import { stringAt } from '../proxy/message.ts'
import type { Member } from '../proxy/spans.ts'
import { decodedHeader, type ParamHeaders } from './param-headers.ts'
import { at } from './rewriting.ts'

/** What in `params` the header `Mcp-Name` repeats (MCP 2026-07-28, Streamable HTTP, standard request headers). */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
}
const HEADER_MISMATCH = -32020
const INVALID_PARAMS = -32602
const UNSUPPORTED = -32022
const VERSION = 'io.modelcontextprotocol/protocolVersion'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'

/** What a server behind a pipe has said that HTTP must hold its callers to. */
export interface ServerFacts {
  readonly params: ParamHeaders
  /** Versions of the protocol, once it has told them. */
  supported: readonly string[] | undefined
}

/**
 * The refusal of a request that lacks what every request must say, or whose headers say something else than its body:
 * between a router that reads the one and a server that reads the other, two requests would hide in it. Undefined where
 * they agree.
 */
export function mismatch(
  { headers }: IncomingMessage,
  body: string,
  id: string | undefined,
  server: ServerFacts,
): Answer | undefined {
  const method = textOf(body, at(body, ['method']))
  const version = textOf(body, at(body, ['params', '_meta', VERSION]))
  const refused = (code: number, message: string, data?: object): Answer => ({
    status: 400,
    headers: [['content-type', 'application/json']],
    body: errorLine(id ?? 'null', JSON.stringify({ code, message, data })).trimEnd(),
  })
  if (id !== undefined) {
    const missing = version === undefined ? VERSION : CAPABILITIES
    if (version === undefined || at(body, ['params', '_meta', CAPABILITIES]) === undefined)
      return refused(INVALID_PARAMS, `Invalid params: _meta lacks ${missing}. Nothing was done.`)
  }
  const named = NAMED[method ?? '']
  const source = named === undefined ? undefined : textOf(body, at(body, ['params', named]))
  const mirrored: readonly (readonly [header: string, value: string | undefined])[] = [
    ['mcp-protocol-version', version],
    ['mcp-method', method],
    ...(source === undefined ? [] : [['mcp-name', source] as const]),
  ]
  const wrong =
    mirrored.find(([header, value]) => {
      const given = headers[header]
      return value !== undefined && (typeof given !== 'string' || decodedHeader(given) !== value)
    })?.[0] ??
    (method === 'tools/call' && source !== undefined ? wrongParam(body, source, headers, server.params) : undefined)
  if (wrong === undefined) {
    const { supported } = server
    if (version === undefined || supported?.includes(version) !== false) return undefined
    return refused(UNSUPPORTED, `Unsupported protocol version: ${version}`, { supported, requested: version })
  }
  const why = headers[wrong] === undefined ? 'is missing' : 'does not say what the body says'
  return refused(HEADER_MISMATCH, `Bad Request: the header ${wrong} ${why}. Nothing was done.`)
}

function wrongParam(
  body: string,
  tool: string,
  headers: IncomingMessage['headers'],
  params: ParamHeaders,
): string | undefined {
  const given = at(body, ['params', 'arguments'])
  return params.wrong(tool, given === undefined ? {} : JSON.parse(body.slice(given.start, given.end)), headers)
}

const textOf = (body: string, found: Member | undefined): string | undefined =>
  found === undefined ? undefined : stringAt(body, found)

/** The HTTP status of an answer. */
export function statusOfLine(line: string): number {
  const error = line.includes('"error":') ? at(line, ['error']) : undefined
  return error === undefined ? 200 : statusOfError(line.slice(error.start, error.end))
}

/** The HTTP status of a JSON-RPC error (MCP 2026-07-28, Streamable HTTP and errors). */
export function statusOfError(error: string): number {
  const { code } = JSON.parse(error) as { code?: unknown }
  if (code === -32601) return 404
  return code === -32020 || code === -32021 || code === -32022 || code === -32700 || code === -32600 ? 400 : 200
}
