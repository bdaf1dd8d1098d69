import { createSecrets } from '../../http/edge/index.ts'

/** What a request of the proxy's own needs to be let in as somebody. */
export interface KnownCaller {
  /** Names and values of credentials, in turn. */
  readonly secrets: readonly string[]
  readonly session: string | undefined
  readonly protocol: string | undefined
  /** What every request of MCP 2026-07-28 carries in its `_meta`. */
  readonly envelope: string | undefined
}

/** Callers as this process last saw them, in memory only: credentials are never stored. */
export interface KnownCallers {
  remember(principal: string, rawHeaders: readonly string[], seen: Omit<KnownCaller, 'secrets'>): void
  /** @param owner the session of an operation's run, which begins with its principal */
  of(owner: string | undefined): KnownCaller | undefined
}

const KEPT = 10_000

export function createKnownCallers(): KnownCallers {
  const secrets = createSecrets()
  const seenBy = new Map<string, Omit<KnownCaller, 'secrets'>>()
  return {
    remember(principal, rawHeaders, seen) {
      secrets.remember(principal, rawHeaders)
      const before = seenBy.get(principal)
      seenBy.delete(principal)
      seenBy.set(principal, {
        session: seen.session ?? before?.session,
        protocol: seen.protocol ?? before?.protocol,
        envelope: seen.envelope ?? before?.envelope,
      })
      const oldest = seenBy.size > KEPT ? seenBy.keys().next() : undefined
      if (oldest?.value !== undefined) seenBy.delete(oldest.value)
    },
    of(owner) {
      const principal = owner?.replace(/\/(?:run|session):.*$/s, '')
      const seen = principal === undefined ? undefined : seenBy.get(principal)
      return principal === undefined || seen === undefined
        ? undefined
        : { ...seen, secrets: secrets.of(principal) ?? [] }
    },
  }
}
