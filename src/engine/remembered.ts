import type { Clock } from './clock.ts'
import type { OperationRecord } from './record.ts'

/**
 * What this process saw committed a moment ago, so that a repeat costs no way to a ledger on another machine. It only ever
 * answers what was committed, and never lets anything run: whoever is not in it asks the ledger.
 */
export interface Remembered {
  recall(key: string): OperationRecord | undefined
  remember(record: OperationRecord): void
  /** This process wrote to the record. */
  forget(key: string): void
}

const MOST_RECORDS = 2_000
/** Larger answers are cheaper to fetch than to keep. */
const LARGEST = 8 * 1024

/**
 * A ring of places and the place of each key: a Map of records would keep what it has let go (see slots.ts).
 * @param keepMs how long an answer is known without another look; 0 for never
 */
export function createRemembered(clock: Pick<Clock, 'bootMs'>, keepMs: number): Remembered {
  const ring: ({ readonly record: OperationRecord; readonly until: number } | undefined)[] = []
  const places = new Map<string, number>()
  let next = 0

  function forget(key: string): void {
    const place = places.get(key)
    if (place === undefined) return
    places.delete(key)
    ring[place] = undefined
  }

  return {
    recall(key) {
      const found = ring[places.get(key) ?? -1]
      return found !== undefined && clock.bootMs() < found.until ? found.record : undefined
    },
    remember(record) {
      const { key, input, outcome } = record
      if (keepMs === 0 || (input?.length ?? 0) + (outcome?.text?.length ?? 0) > LARGEST) return
      forget(key)
      const oldest = ring[next]
      if (oldest !== undefined) forget(oldest.record.key)
      ring[next] = { record, until: clock.bootMs() + keepMs }
      places.set(key, next)
      next = (next + 1) % MOST_RECORDS
    },
    forget,
  }
}
