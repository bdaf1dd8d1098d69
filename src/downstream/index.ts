/**
 * Carrying an operation's key to the program that performs the effect, in the form that it takes; counting physical
 * attempts; proving what was not sent. What users import of it is `public.ts`.
 * @module
 */
export { attemptReport, clearAttempts, count, type AttemptReport, type AttemptRow } from './attempt-book.ts'
export { overBudget, spend, type Payer, type RetryBudget } from './budget.ts'
export { clientName } from './client-name.ts'
export { downstreamFetch, type DownstreamOptions } from './fetch.ts'
export { closedPort, isCarried } from './flight.ts'
export { createLines, isRetried, linesOf, type Lines, type LogicalRequest } from './lines.ts'
export { NEEDS_KEY, WRITES } from './methods.ts'
export { onefoldFetch } from './protect-fetch.ts'
export { providersByHost, type ProviderHosts, type Taker } from './provider-of-host.ts'
export { movedTo } from './redirect.ts'
export { saysDoubt } from './says-doubt.ts'
export type { WireAttempt } from './wire/attempt.ts'
export { watchWire } from './wire/watch.ts'
