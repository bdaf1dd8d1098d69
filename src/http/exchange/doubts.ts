import type { Guard } from '../../engine/index.ts'

/** Waiting for the moment in which the ledger has a doubt. */
export interface Doubts {
  /** Calls `tell` once when the ledger says that this operation is in doubt; gives what stops the waiting. */
  watch(key: string, tell: () => void): () => void
}

/** One listener for all requests. */
export function createDoubts(guard: Guard): Doubts {
  const waiting = new Map<string, Set<() => void>>()
  guard.on('doubt', ({ key }) => {
    const tellers = waiting.get(key)
    waiting.delete(key)
    for (const tell of tellers ?? []) tell()
  })
  return {
    watch(key, tell) {
      const tellers = waiting.get(key) ?? new Set()
      waiting.set(key, tellers)
      tellers.add(tell)
      return () => {
        tellers.delete(tell)
        if (tellers.size === 0 && waiting.get(key) === tellers) waiting.delete(key)
      }
    },
  }
}
