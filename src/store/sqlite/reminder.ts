import type { Ledger } from './ledger.ts'

const EVERY_MS = 1_000

/** Keeps the side file near what a connection has acknowledged. */
export interface Reminder {
  /** Something was acknowledged. */
  acknowledged(): void
  stop(): void
}

export function createReminder(ledger: Pick<Ledger, 'remember'>): Reminder {
  let timer: NodeJS.Timeout | undefined
  /** The first step is remembered at once, so that even a short-lived ledger cannot vanish unseen. */
  let remembered = false

  function remember(): void {
    timer = undefined
    remembered = true
    try {
      ledger.remember()
    } catch {
      // The side file only sharpens the sight for a loss; a directory that takes no new file must not stop the ledger.
    }
  }

  return {
    acknowledged() {
      timer ??= setTimeout(remember, remembered ? EVERY_MS : 0).unref()
    },
    stop: () => clearTimeout(timer),
  }
}
