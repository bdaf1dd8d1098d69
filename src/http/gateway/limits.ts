import { EDGE_LIMITS, type EdgeLimits } from '../edge/index.ts'

/** What a gateway takes before it refuses. Bytes, counts and milliseconds. */
export interface GatewayLimits extends EdgeLimits {
  /** Largest body of a write. @default 10 MiB */
  readonly bodyBytes: number
  /** Bodies up to this size stay in memory; larger ones are spooled to disk. @default 1 MiB */
  readonly memoryBytes: number
  /** Largest answer that is kept for replays; larger ones pass through and are recorded as omitted. @default 8 MiB */
  readonly answerBytes: number
  /** Requests that wait for the same operation. @default 512 */
  readonly waiters: number
  /** Answered duplicates of one operation by one client within {@link floodWindowMs} before the breaker opens. @default 200 */
  readonly floodDuplicates: number
  /** @default 10 s */
  readonly floodWindowMs: number
  /** Silence of the service in the middle of an answer, or before it, after which its connection is cut. @default 15 min */
  readonly upstreamSilenceMs: number
}

export const LIMITS: GatewayLimits = {
  ...EDGE_LIMITS,
  bodyBytes: 10 * 1024 * 1024,
  memoryBytes: 1024 * 1024,
  answerBytes: 8 * 1024 * 1024,
  waiters: 512,
  floodDuplicates: 200,
  floodWindowMs: 10_000,
  upstreamSilenceMs: 15 * 60_000,
}
