import { defaultLedger, storeFrom } from '../config/index.ts'
import { parseDuration } from '../contract/index.ts'
import { onefold } from '../index.ts'
import { serviceName } from '../http/gateway/index.ts'
import { NOTHING_DECLARED, runProxy, upstreamName } from '../mcp/index.ts'
import { choiceOf, configOf, flagsTo, type WhereOptions } from './ledger/locate.ts'
import { behindOf, serveMcpHttp, type Behind } from './mcp-http.ts'
import { defined, invalid, upstreamOf } from './serve.ts'

/** The flags of `onefold mcp`. */
export interface McpFlags extends WhereOptions {
  readonly http?: number
  readonly host: string
  readonly upstream?: string
}

/** `onefold mcp -- COMMAND ARGS…`: the ledger in front of an MCP server, until its client goes away. */
export async function mcp(command: string | undefined, args: readonly string[], options: McpFlags): Promise<number> {
  const config = configOf(options)
  const { http } = options
  if (http === undefined && options.upstream !== undefined)
    throw invalid('--upstream needs --http PORT: over standard input and output the server is a command.')
  const upstream =
    options.upstream ?? (http === undefined || command !== undefined ? undefined : config?.mcp.http.upstream)
  const behind = behindOf(upstream === undefined ? undefined : upstreamOf(upstream), command, args)
  const name =
    config?.mcp.name ?? ('upstream' in behind ? serviceName(behind.upstream) : upstreamName(behind.command, args))
  const choice = choiceOf(options, config) ?? ({ kind: 'sqlite', path: defaultLedger(name) } as const)
  const { store, spool, volatile } = await storeFrom(choice)
  if (volatile)
    process.stderr.write('onefold: the ledger is in memory: a restart forgets what was done. For a trial only.\n')
  const tenant = options.tenant ?? config?.tenant
  const { timeout, ...timing } = config?.timing ?? {}
  const guard = onefold({
    store,
    allowVolatile: volatile,
    ...defined({ spool, tenant, keySecret: config?.keySecret, previousSecrets: config?.previousSecrets, ...timing }),
  })
  const contracts = {
    ...NOTHING_DECLARED,
    ...config?.mcp,
    name,
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, 'timeout'),
  }
  const ledgerFlags = flagsTo(choice)
  if (http !== undefined)
    return await serveMcpHttp({ http, host: options.host, ledgerFlags }, behind, guard, contracts, config?.mcp.http)
  return await runProxy({
    ...(behind as Extract<Behind, { readonly command: string }>),
    contracts,
    guard,
    ledgerFlags,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
  })
}
