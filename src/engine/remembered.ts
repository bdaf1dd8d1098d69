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

/** @param keepMs how long an answer is known without another look; 0 for never */
export function createRemembered(clock: Pick<Clock, 'bootMs'>, keepMs: number): Remembered {
  const known = new Map<string, { readonly record: OperationRecord; readonly until: number }>()
  return {
    recall(key) {
      const found = known.get(key)
      return found !== undefined && clock.bootMs() < found.until ? found.record : undefined
    },
    remember(record) {
      const { key, input, outcome } = record
      if (keepMs === 0 || (input?.length ?? 0) + (outcome?.text?.length ?? 0) > LARGEST) return
      known.delete(key)
      known.set(key, { record, until: clock.bootMs() + keepMs })
      const oldest = known.size > MOST_RECORDS ? known.keys().next() : undefined
      if (oldest?.value !== undefined) known.delete(oldest.value)
    },
    forget: (key) => void known.delete(key),
  }
}
