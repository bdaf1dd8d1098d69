/** Store time: the service's own clock, as its answers show it. */
export interface ServiceClock {
  /** Milliseconds; never less than it answered before. */
  now(): number
  /** An answer carried a `Date` header; the moments are this process's monotonic ones, in milliseconds. */
  heard(date: number, sentAt: number, receivedAt: number): void
  /** Store time is at least this: another process has stamped a record with it. */
  raise(seen: number): void
}

/** A `Date` header names a whole second (RFC 9110, 5.6.7). */
const RESOLUTION_MS = 1000
/** Smaller contradictions are drift between two clocks, larger ones a step of the service's. */
const STEP_MS = 5000

/**
 * DynamoDB has no clock that a condition could ask, but every answer carries the service's time. Each answer bounds the
 * difference between that clock and this process's monotonic one; the lower bound is used, so that store time is never
 * ahead of the service (and at most a second behind it). The hosts' wall clocks play no part, unless the client shows no
 * headers. When the service's clock steps back, time goes on from where it was.
 */
export function serviceClock(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): ServiceClock {
  let low: number | undefined
  let high = Infinity
  let ahead = 0
  let floor = -Infinity
  let last = -Infinity

  function now(): number {
    // Without headers: the wall clock, from when it was first asked on the monotonic one.
    low ??= wall() - monotonic()
    last = Math.max(last, Math.floor(Math.max(low + ahead, floor) + monotonic()))
    return last
  }

  return {
    now,
    heard(date, sentAt, receivedAt) {
      const newLow = date - receivedAt
      const newHigh = date + RESOLUTION_MS - sentAt
      if (low === undefined || newLow > high) {
        low = newLow
        high = newHigh
      } else if (newHigh < low - STEP_MS) {
        ahead += low - newLow
        low = newLow
        high = newHigh
      } else {
        high = Math.min(high, newHigh)
        low = Math.min(Math.max(low, newLow), high)
      }
    },
    raise(seen) {
      floor = Math.max(floor, seen - monotonic())
    },
  }
}
