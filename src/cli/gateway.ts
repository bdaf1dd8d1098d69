import { defaultConfig, defaultLedger, storeFrom } from '../config/index.ts'
import { parseDuration } from '../contract/index.ts'
import { tellOperators } from '../engine/index.ts'
import { isReachable } from '../http/edge/index.ts'
import { serviceName, startGateway } from '../http/gateway/index.ts'
import { onefold } from '../index.ts'
import { choiceOf, configOf, flagsTo, type WhereOptions } from './ledger/locate.ts'
import { defined, invalid, startedOn, stopAsked, tell, upstreamOf } from './serve.ts'

/** The flags of `onefold gateway`. */
export interface GatewayFlags extends WhereOptions {
  readonly upstream?: string
  readonly port: number
  readonly host: string
}

const CHECK_MS = 2_000

/** `onefold gateway --upstream URL`: the ledger in front of an HTTP API, until it is told to stop. */
export async function gateway(options: GatewayFlags): Promise<number> {
  const config = configOf(options)
  const named = options.upstream ?? config?.http.upstream
  if (named === undefined)
    throw invalid('Nothing says which service to protect. Write --upstream http://127.0.0.1:3000, or http.upstream.')
  const upstream = upstreamOf(named)
  const service = config?.http.name ?? serviceName(upstream)
  const choice = choiceOf(options, config) ?? ({ kind: 'sqlite', path: defaultLedger(service) } as const)
  const { store, spool, volatile } = await storeFrom(choice)
  if (volatile) tell('the ledger is in memory: a restart forgets what was done. For a trial only.')
  const tenant = options.tenant ?? config?.tenant
  const { timeout, ...timing } = config?.timing ?? {}
  const guard = onefold({
    store,
    allowVolatile: volatile,
    ...defined({ spool, tenant, keySecret: config?.keySecret, previousSecrets: config?.previousSecrets, ...timing }),
  })
  const stopTelling = tellOperators(guard, tell, flagsTo(choice))
  try {
    await guard.open()
    const { http } = config ?? defaultConfig()
    const running = await startedOn(options.port, options.host, () =>
      startGateway({
        guard,
        upstream,
        service,
        rules: http.rules,
        routes: http.routes,
        limits: http.limits,
        hosts: http.hosts,
        preserveHost: http.preserveHost,
        port: options.port,
        host: options.host,
        timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, 'timeout'),
        unexpected: (error) =>
          tell(`UNEXPECTED ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
        ...(http.clientTimeout === undefined ? {} : { clientTimeoutMs: parseDuration(http.clientTimeout) }),
      }),
    )
    const stop = stopAsked()
    process.stdout.write(`${running.url} → ${upstream.href}\n`)
    if (http.routes.length === 0)
      tell('no routes are declared: every write is guarded by its Idempotency-Key, else by its whole content')
    void isReachable(upstream, CHECK_MS).then((why) => {
      if (why !== undefined)
        tell(`${upstream.host} cannot be reached now (${why}); writes are answered 503 until it can`)
    })
    await stop
    await running.close()
    return 0
  } finally {
    stopTelling()
    await guard.close()
  }
}
