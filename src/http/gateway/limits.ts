/** What a gateway takes before it refuses. Bytes, counts and milliseconds. */
export interface GatewayLimits {
  /** Largest body of a write. @default 10 MiB */
  readonly bodyBytes: number
  /** Bodies up to this size stay in memory; larger ones are spooled to disk. @default 1 MiB */
  readonly memoryBytes: number
  /** Largest answer that is kept for replays; larger ones pass through and are recorded as omitted. @default 8 MiB */
  readonly answerBytes: number
  /** Headers of one request. @default 100 */
  readonly headers: number
  /** All headers of one request together. @default 16 KiB */
  readonly headerBytes: number
  /** Requests that wait for the same operation. @default 512 */
  readonly waiters: number
  /** Open connections of clients. @default 10000 */
  readonly connections: number
  /** Until all headers of a request are there. @default 10 s */
  readonly headersMs: number
  /** Until the whole request is there: a body that drips is cut off. @default 60 s */
  readonly requestMs: number
  /** Answered duplicates of one operation by one client within {@link floodWindowMs} before the breaker opens. @default 200 */
  readonly floodDuplicates: number
  /** @default 10 s */
  readonly floodWindowMs: number
  /** Silence of the service in the middle of an answer, or before it, after which its connection is cut. @default 15 min */
  readonly upstreamSilenceMs: number
}

export const LIMITS: GatewayLimits = {
  bodyBytes: 10 * 1024 * 1024,
  memoryBytes: 1024 * 1024,
  answerBytes: 8 * 1024 * 1024,
  headers: 100,
  headerBytes: 16 * 1024,
  waiters: 512,
  connections: 10_000,
  headersMs: 10_000,
  requestMs: 60_000,
  floodDuplicates: 200,
  floodWindowMs: 10_000,
  upstreamSilenceMs: 15 * 60_000,
}
