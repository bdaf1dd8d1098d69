import type { Reading } from './store.ts'

/** Whether a new call looks for a record before it tries to claim; never more than speed depends on it. */
export interface LookFirst {
  worthwhile(): boolean
  /** What a look, or a claim that was refused, found. */
  saw(reading: Reading): void
}

/** Looks in a row that may find nothing before the engine goes without them. */
const PATIENCE = 64

/**
 * A look saves a duplicate the refused claim and costs a new operation for nothing: a tenth of the caller's time at 64
 * concurrent calls on the embedded store. So it is given up after {@link PATIENCE} new operations in a row and taken up
 * again with the first duplicate, which the store's insert-if-absent tells at the price of one write.
 */
export function createLookFirst(localReads: boolean): LookFirst {
  let inVain = 0
  return {
    worthwhile: () => localReads && inVain < PATIENCE,
    saw(reading) {
      inVain = reading.record === undefined ? inVain + 1 : 0
    },
  }
}
