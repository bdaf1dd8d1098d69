import { parseDuration } from '../contract/index.ts'
import type { McpHttpConfig } from '../config/index.ts'
import type { Guard } from '../engine/index.ts'
import { isOnefoldError } from '../error/index.ts'
import { httpBackend, startMcpHttp, stdioBackend, type McpHttp, type McpHttpOptions } from '../mcp/index.ts'
import { invalid, stopAsked, tell, startedOn } from './serve.ts'

/** What is behind: an MCP endpoint, or the command of a stdio server. */
export type Behind = { readonly upstream: URL } | { readonly command: string; readonly args: readonly string[] }

export interface McpHttpFlags {
  readonly http: number
  readonly host: string
  readonly ledgerFlags: string
}

/** How long the service may be silent in the middle of an answer: as long as a person may need, and more. */
const SILENCE_MS = 15 * 60_000

/** Serves MCP over HTTP until it is told to stop. The guard is opened and closed here. */
export async function serveMcpHttp(
  { http, host, ledgerFlags }: McpHttpFlags,
  behind: Behind,
  guard: Guard,
  contracts: McpHttpOptions['contracts'],
  config: McpHttpConfig | undefined,
): Promise<number> {
  let running: McpHttp
  try {
    await guard.open()
    running = await startedOn(http, host, () =>
      startMcpHttp({
        guard,
        contracts,
        endpoint: 'upstream' in behind && behind.upstream.pathname !== '/' ? behind.upstream.pathname : '/mcp',
        backend: (context) =>
          'upstream' in behind
            ? httpBackend({
                ...context,
                url: behind.upstream,
                maxMessageBytes: context.limits.messageBytes,
                silenceMs: SILENCE_MS,
              })
            : stdioBackend({
                ...context,
                command: behind.command,
                args: behind.args,
                env: process.env,
                cwd: undefined,
                stderr: process.stderr,
                tell,
              }),
        port: http,
        host,
        tell,
        ledgerFlags,
        ...(config === undefined
          ? {}
          : {
              principal: config.principal,
              tenantHeader: config.tenantHeader,
              hosts: config.hosts,
              limits: config.limits,
              ...(config.clientTimeout === undefined ? {} : { clientTimeoutMs: parseDuration(config.clientTimeout) }),
            }),
      }),
    )
  } catch (error) {
    await guard.close()
    if (!isOnefoldError(error) || !error.code.startsWith('STORE_')) throw error
    tell(`${error.code}: ${error.message} Nothing was started.`)
    return 3
  }
  const stop = stopAsked()
  const to = 'upstream' in behind ? behind.upstream.href : [behind.command, ...behind.args].join(' ')
  process.stdout.write(`${running.url} → ${to}\n`)
  await stop
  await running.close()
  await guard.close()
  return 0
}

/** @throws OnefoldError CONFIG_INVALID where nothing says what is behind, or two things do */
export function behindOf(upstream: URL | undefined, command: string | undefined, args: readonly string[]): Behind {
  if (upstream !== undefined && command !== undefined)
    throw invalid('An MCP server is behind --upstream or behind a command, not both.')
  if (upstream !== undefined) return { upstream }
  if (command !== undefined) return { command, args }
  throw invalid('Nothing says which MCP server to protect. Write -- COMMAND, or --upstream URL, or mcp.http.upstream.')
}
