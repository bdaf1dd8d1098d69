/** Who wants to hear of changes, by key. */
export interface Watchers {
  watch(key: string, listener: () => void): () => void
  /** This process changed `key`. */
  tell(key: string): void
  /** Ends the watch for other processes' writes. */
  stop(): void
}

/** A look costs some 10 µs, and is made only while somebody waits for what another process does. */
const POLL_MS = 2

/**
 * Own changes are told after their commit. Other processes' are seen by a look at the ledger's sequence, as long as
 * somebody watches; they name no key, so everybody is told.
 */
export function createWatchers(sequence: () => number | undefined): Watchers {
  const listeners = new Map<string, Set<() => void>>()
  let timer: NodeJS.Timeout | undefined
  let seen: number | undefined

  /** Over a copy: a listener that watches again is told of the next change, not of this one. */
  function tell(key: string): void {
    for (const listener of Array.from(listeners.get(key) ?? [])) listener()
  }

  function look(): void {
    const now = sequence()
    if (now === undefined || now === seen) return
    seen = now
    for (const key of Array.from(listeners.keys())) tell(key)
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }

  return {
    watch(key, listener) {
      const set = listeners.get(key) ?? new Set()
      // The same function may watch twice; each watch ends by itself.
      const own = (): void => listener()
      listeners.set(key, set.add(own))
      if (timer === undefined) {
        seen = sequence()
        timer = setInterval(look, POLL_MS)
        timer.unref()
      }
      return () => {
        set.delete(own)
        if (set.size === 0 && listeners.get(key) === set) listeners.delete(key)
        if (listeners.size === 0) stop()
      }
    },
    tell,
    stop,
  }
}
