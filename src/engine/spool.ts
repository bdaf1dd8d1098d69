import type { StoredOutcome } from './record.ts'

/** An answer that the ledger could not take yet. Only successes are spooled: a refusal is re-learnt, a success is evidence. */
export interface SpoolEntry {
  readonly key: string
  readonly tenant: string
  readonly fence: number
  readonly nonce: string
  readonly outcome: StoredOutcome
  /** Wall clock, for people. */
  readonly at: number
  readonly who: string
}

/** Keeps answers on this machine while the ledger is out of reach (protocol.md section 8). Implemented in `store/spool`. */
export interface Spool {
  /** Makes sure that an answer of this size can be appended later, also on a disk that fills up meanwhile. */
  reserve(bytes: number): Promise<void>
  /** Durable when it resolves. */
  append(entry: SpoolEntry): Promise<void>
  /** Offers every kept entry; those for which `apply` resolves true are forgotten. Resolves to their number. */
  drain(apply: (entry: SpoolEntry) => Promise<boolean>): Promise<number>
  close(): Promise<void>
}
