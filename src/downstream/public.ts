/**
 * The door `onefold/fetch`: fetches that carry the operation's key, the table of providers, and what was counted.
 * @module
 * @example
 * ```ts
 * import { onefoldFetch } from 'onefold/fetch'
 * const client = new OpenAI({ fetch: onefoldFetch() })
 * ```
 */
export { attemptReport, type AttemptReport, type AttemptRow } from './attempt-book.ts'
export { DEFAULT_BUDGET, type RetryBudget } from './budget.ts'
export { downstreamFetch, type DownstreamOptions } from './fetch.ts'
export { onefoldFetch, protectFetch, type ProtectFetchOptions } from './protect-fetch.ts'
export type { ProviderHosts } from './provider-of-host.ts'
export {
  PROVIDERS,
  providerNamed,
  type Carrier,
  type Provider,
  type ProviderFacts,
  type ReplayKind,
} from './providers.ts'
