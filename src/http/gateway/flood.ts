import { keepNewest } from '../../engine/index.ts'

/** Refuses a client that floods one operation with duplicates, and nobody else. */
export interface Breaker {
  /** Milliseconds until the client may ask after this operation again; undefined when it may now. */
  refuses(name: string): number | undefined
  /** A duplicate of this operation was answered. */
  duplicate(name: string): void
}

export interface BreakerOptions {
  /** Duplicates within the window before it opens. */
  readonly most: number
  readonly windowMs: number
  readonly nowMs: () => number
}

interface Count {
  since: number
  duplicates: number
  openUntil: number
}

const KEPT = 10_000

/**
 * Counts answered duplicates by `name` (client and operation). Open, it refuses until a whole window has passed without
 * the client coming back; honest retries, a few per operation, never meet it.
 */
export function createBreaker({ most, windowMs, nowMs }: BreakerOptions): Breaker {
  const counts = new Map<string, Count>()
  return {
    refuses(name) {
      const count = counts.get(name)
      if (count === undefined || count.openUntil === 0) return undefined
      const now = nowMs()
      if (now >= count.openUntil) {
        counts.delete(name)
        return undefined
      }
      count.openUntil = now + windowMs
      return windowMs
    },
    duplicate(name) {
      const now = nowMs()
      let count = counts.get(name)
      if (count === undefined || now - count.since > windowMs) {
        count = { since: now, duplicates: 0, openUntil: 0 }
        keepNewest(counts, name, count, KEPT)
      }
      count.duplicates += 1
      if (count.duplicates > most && count.openUntil === 0) count.openUntil = now + windowMs
    },
  }
}
