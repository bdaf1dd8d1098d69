import type { RunOptions } from './guard.ts'
import { currentRun } from './run.ts'

/** Names in HTTP headers, and the same facts in the `_meta` of an MCP request. `traceparent` is W3C Trace Context's own. */
const NAMES = {
  headers: { id: 'onefold-run', session: 'onefold-session', tenant: 'onefold-tenant', traceparent: 'traceparent' },
  meta: {
    id: 'io.onefold/run-id',
    session: 'io.onefold/session-id',
    tenant: 'io.onefold/tenant',
    traceparent: 'traceparent',
  },
} as const

const FACTS = ['id', 'session', 'tenant', 'traceparent'] as const

/** What takes a run to another process: headers of a request or a queue's message, or the `_meta` of an MCP call. */
export type RunCarrier = Readonly<Record<string, string>>

/**
 * The current run as headers (or `_meta`) for a worker or a service of your own, which resumes it with
 * `guard.run(runFrom(headers), work)`. Empty outside a run, and for a run whose id was minted below the retrier, since
 * a retry would carry another.
 */
export function carryRun(as: keyof typeof NAMES = 'headers'): RunCarrier {
  const run = currentRun()
  if (run === undefined || run.unanchored) return {}
  return Object.fromEntries(
    FACTS.flatMap((fact) => (run[fact] === undefined ? [] : [[NAMES[as][fact], run[fact]] as const])),
  )
}

/** How far the sender of a carrier is trusted. */
export interface RunFromOptions {
  /** Takes the tenant from the carrier: only from a sender that you run yourself. @default false */
  readonly trustTenant?: boolean
}

/**
 * The run that a carrier names, for `guard.run`: by HTTP headers in any form, or by `_meta`. What is missing there is
 * left out, so that a request without a run mints one.
 */
export function runFrom(carrier: CarrierLike, options: RunFromOptions = {}): RunOptions {
  const read = (name: string): string | undefined => {
    const value = isHeaders(carrier) ? carrier.get(name) : carrier[name]
    return typeof value === 'string' && value !== '' && value.length <= LONGEST ? value : undefined
  }
  const found: Partial<Record<(typeof FACTS)[number], string>> = {}
  for (const fact of FACTS) {
    if (fact === 'tenant' && options.trustTenant !== true) continue
    // A slash is not allowed in a header's name, and Headers would refuse to look.
    const value = read(NAMES.headers[fact]) ?? (isHeaders(carrier) ? undefined : read(NAMES.meta[fact]))
    if (value !== undefined) found[fact] = value
  }
  return found
}

/** `Headers`, a plain object of them, or a `_meta`. */
export type CarrierLike = Pick<Headers, 'get'> | Readonly<Record<string, unknown>>

const LONGEST = 512

const isHeaders = (carrier: CarrierLike): carrier is Pick<Headers, 'get'> =>
  typeof (carrier as { get?: unknown }).get === 'function'
