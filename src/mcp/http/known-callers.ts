import type { ProbeContext } from '../../contract/index.ts'
import { keepNewest } from '../../engine/index.ts'
import { digestOf, isHopByHop, isSecret, namedByConnection } from '../../http/exchange/index.ts'
import type { Who } from './backend.ts'

/** What a request of the proxy's own needs to be let in as somebody. */
export interface KnownCaller {
  /** Names and values in turn: credentials, and what tells who the caller is. */
  readonly headers: readonly string[]
  readonly search: string
  readonly session: string | undefined
  readonly protocol: string | undefined
  /** What every request of MCP 2026-07-28 carries in its `_meta`. */
  readonly envelope: string | undefined
}

/** One request, as far as its caller can be told from it. */
export interface Seen {
  readonly who: Who
  readonly rawHeaders: readonly string[]
  readonly connection: string | undefined
  readonly protocol: string | undefined
  readonly envelope: string | undefined
}

/**
 * Callers as this process last saw them, in memory only: credentials are never stored. An operation is asked about, and
 * sent again, as the one who sent it; where this process has not seen that, as its principal, if that is a proof.
 */
export interface KnownCallers {
  /** What it returns names the sender of an operation. */
  remember(seen: Seen): (operation: string) => void
  of(operation: Pick<ProbeContext, 'key' | 'run'>): KnownCaller | undefined
  /** What is known of its sender does not let it in any more. */
  refused(operation: string): void
}

export interface KnownCallersOptions {
  /** Headers that name the principal and the tenant, in lower case: nobody is let in as somebody without them. */
  readonly names: readonly string[]
  /** True where a header names the tenant. */
  readonly tenants: boolean
  /** True where a principal may come with other credentials than before. */
  readonly renewed: boolean
}

const KEPT = 10_000

/** Everyone whom nothing tells apart: what one of them has shown must not let in another. */
export const ANYBODY: ReadonlySet<string> = new Set(['nobody', 'everybody'])

export function createKnownCallers({ names, tenants, renewed }: KnownCallersOptions): KnownCallers {
  /** By all that their requests say beside the message. */
  const callers = new Map<string, { last: KnownCaller }>()
  const principals = new Map<string, KnownCaller>()
  const senders = new Map<string, { readonly last: KnownCaller }>()
  const slotOf = (tenant: string | undefined, principal: string): string =>
    JSON.stringify([tenants ? tenant : undefined, principal])

  return {
    remember({ who, rawHeaders, connection, protocol, envelope }) {
      const slot = slotOf(who.tenant, who.principal)
      const headers = aboutCaller(rawHeaders, connection)
      const id = digestOf(
        JSON.stringify([slot, who.search, headers.filter((_, at) => !CHANGING.has(nameAt(headers, at)))]),
      )
      const now = (before: KnownCaller | undefined, kept: readonly string[]): KnownCaller => ({
        headers: kept,
        search: who.search,
        session: who.session ?? before?.session,
        protocol: protocol ?? before?.protocol,
        envelope: envelope ?? before?.envelope,
      })
      const caller = callers.get(id) ?? { last: now(undefined, headers) }
      caller.last = now(caller.last, headers)
      keepNewest(callers, id, caller, KEPT)
      if (!ANYBODY.has(who.principal)) {
        const proofs = headers.filter((_, at) => isProof(nameAt(headers, at), names))
        keepNewest(principals, slot, now(principals.get(slot), proofs), KEPT)
      }
      return (operation) => keepNewest(senders, operation, caller, KEPT)
    },
    of({ key, run }) {
      const sender = senders.get(key)
      if (sender !== undefined) return sender.last
      const principal = principalOf(run)
      return principal === undefined ? undefined : principals.get(slotOf(run?.tenant, principal))
    },
    refused(operation) {
      if (renewed) senders.delete(operation)
    },
  }
}

/** Whose operation it is: the session of its run begins with the principal. */
export const principalOf = (run: ProbeContext['run']): string | undefined =>
  run?.session?.replace(/\/(?:run|session):.*$/s, '')

const nameAt = (headers: readonly string[], at: number): string => (headers[at - (at % 2)] as string).toLowerCase()
const isProof = (name: string, names: readonly string[]): boolean => isSecret(name) || names.includes(name)

/** Of one message, or of one connection, and not of the one who sends it. */
const ABOUT_MESSAGE =
  /^(?:accept|accept-encoding|content-.*|expect|host|idempotency-key|last-event-id|mcp-.*|onefold-.*)$/

/** Other in every request of one caller. */
const CHANGING: ReadonlySet<string> = new Set(['baggage', 'traceparent', 'tracestate', 'x-request-id'])

function aboutCaller(rawHeaders: readonly string[], connection: string | undefined): string[] {
  const named = namedByConnection(connection)
  return rawHeaders.filter((_, at) => {
    const name = nameAt(rawHeaders, at)
    return !isHopByHop(name) && !named.includes(name) && !ABOUT_MESSAGE.test(name)
  })
}
