/** Who wants to hear of changes, by key. */
export interface Watchers {
  watch(key: string, listener: () => void): () => void
  /** `key` changed, here or elsewhere. */
  tell(key: string): void
  /** Something may have been missed. */
  tellAll(): void
  keys(): readonly string[]
}

/** @param begun called when a key gets its first listener */
export function createWatchers(begun: (key: string) => void): Watchers {
  const listeners = new Map<string, Set<() => void>>()

  /** Over a copy: a listener that watches again is told of the next change, not of this one. */
  function tell(key: string): void {
    for (const listener of Array.from(listeners.get(key) ?? [])) listener()
  }

  return {
    watch(key, listener) {
      const set = listeners.get(key) ?? new Set()
      const first = set.size === 0
      // The same function may watch twice; each watch ends by itself.
      const own = (): void => listener()
      listeners.set(key, set.add(own))
      if (first) begun(key)
      return () => {
        set.delete(own)
        if (set.size === 0 && listeners.get(key) === set) listeners.delete(key)
      }
    },
    tell,
    tellAll() {
      for (const key of Array.from(listeners.keys())) tell(key)
    },
    keys: () => [...listeners.keys()],
  }
}
