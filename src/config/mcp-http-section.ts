import type { McpHttpConfig } from './config.ts'
import { readHeader, readPrincipal, readUpstream } from './http-section.ts'
import type { Reader, Value } from './reader.ts'

const COUNTS = [
  'bodyBytes',
  'argumentBytes',
  'messageBytes',
  'headers',
  'headerBytes',
  'connections',
  'streams',
  'resumableBytes',
] as const

/** Reads the `mcp.http:` section. */
export function readMcpHttp(reader: Reader, value: Value | undefined): McpHttpConfig {
  const words =
    value === undefined
      ? {}
      : reader.known(value, ['upstream', 'principal', 'tenantHeader', 'hosts', 'clientTimeout', 'limits'])
  const counts = words.limits === undefined ? {} : reader.known(words.limits, COUNTS)
  const limits: Record<string, number> = {}
  for (const word of COUNTS) {
    const found = counts[word]
    if (found !== undefined) limits[word] = reader.wholeNumber(found, 1)
  }
  return {
    upstream: words.upstream === undefined ? undefined : readUpstream(reader, words.upstream),
    principal: words.principal === undefined ? 'authorization' : readMcpPrincipal(reader, words.principal),
    tenantHeader: words.tenantHeader === undefined ? undefined : readHeader(reader, words.tenantHeader),
    hosts: words.hosts === undefined ? [] : reader.texts(words.hosts),
    clientTimeout: words.clientTimeout === undefined ? undefined : reader.duration(words.clientTimeout),
    limits,
  }
}

/** As for the gateway, and `session`: by the session of MCP 2025-11-25 and before. */
const readMcpPrincipal = (reader: Reader, value: Value): McpHttpConfig['principal'] =>
  reader.isMap(value)
    ? readPrincipal(reader, value)
    : reader.choice<'authorization' | 'session' | 'none'>(value, ['authorization', 'session', 'none'])
