import { defaultLedger, storeFrom } from '../config/index.ts'
import { parseDuration } from '../contract/index.ts'
import { onefold } from '../index.ts'
import { NOTHING_DECLARED, runProxy, upstreamName } from '../mcp/index.ts'
import { choiceOf, configOf, type WhereOptions } from './ledger/locate.ts'

/** `onefold mcp -- COMMAND ARGS…`: the ledger in front of an MCP server, until its client goes away. */
export async function mcp(command: string, args: readonly string[], options: WhereOptions): Promise<number> {
  const config = configOf(options)
  const name = config?.mcp.name ?? upstreamName(command, args)
  const choice = choiceOf(options, config) ?? ({ kind: 'sqlite', path: defaultLedger(name) } as const)
  const { store, spool, volatile } = await storeFrom(choice)
  if (volatile)
    process.stderr.write('onefold: the ledger is in memory: a restart forgets what was done. For a trial only.\n')
  const tenant = options.tenant ?? config?.tenant
  const { timeout, ...timing } = config?.timing ?? {}
  const guard = onefold({
    store,
    allowVolatile: volatile,
    ...defined({ spool, tenant, keySecret: config?.keySecret, ...timing }),
  })
  return await runProxy({
    command,
    args,
    contracts: {
      ...NOTHING_DECLARED,
      ...config?.mcp,
      name,
      timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, 'timeout'),
    },
    guard,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
  })
}

/** What is undefined is left to its default. */
const defined = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
