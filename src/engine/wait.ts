import type { Core } from './core.ts'
import type { Reading } from './store.ts'

const FIRST_POLL_MS = 2
const LAST_POLL_MS = 250
const REMOTE_POLL_FACTOR = 10

/**
 * Resolves with the record once it is no longer at `revision`, or when its lease is over, or when `wanted` turns false.
 * The store's notification is a hint; polling with growing pauses is the floor.
 */
export async function waitForChange(
  core: Core,
  key: string,
  tenant: string,
  from: Reading,
  wanted: () => boolean,
): Promise<Reading> {
  const revision = from.record?.revision
  const remote = core.journal.store.guarantees.localReads !== true
  let pauseMs = remote ? FIRST_POLL_MS * REMOTE_POLL_FACTOR : FIRST_POLL_MS
  let wake: (() => void) | undefined
  let hinted = false
  const unwatch = core.journal.store.watch(key, () => {
    hinted = true
    wake?.()
  })
  try {
    for (;;) {
      if (!hinted) {
        await new Promise<void>((resolve) => {
          const cancel = core.clock.after(pauseMs, resolve)
          wake = () => {
            cancel()
            resolve()
          }
        })
      }
      hinted = false
      const reading = await core.journal.read(key, tenant)
      if (reading.record?.revision !== revision || reading.now >= (reading.record?.leaseUntil ?? 0)) return reading
      if (!wanted() || core.closing) return reading
      pauseMs = Math.min(pauseMs * 2, LAST_POLL_MS)
    }
  } finally {
    unwatch()
  }
}
