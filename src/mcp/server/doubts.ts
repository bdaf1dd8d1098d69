import type { Guard } from '../../engine/index.ts'

/** Calls `tell` when the ledger has the doubt about an operation; what it returns stops that. */
export type WhenDoubted = (key: string, tell: () => void) => () => void

const known = new WeakMap<Guard, WhenDoubted>()

/** One listener a guard, however many servers are made on it (one for every request, with `createMcpHandler`). */
export function doubtsOf(guard: Guard): WhenDoubted {
  const before = known.get(guard)
  if (before !== undefined) return before
  const waiting = new Map<string, Set<() => void>>()
  guard.on('doubt', ({ key }) => {
    for (const tell of waiting.get(key) ?? []) tell()
  })
  const when: WhenDoubted = (key, tell) => {
    const tellers = waiting.get(key) ?? new Set()
    waiting.set(key, tellers.add(tell))
    return () => {
      tellers.delete(tell)
      if (tellers.size === 0 && waiting.get(key) === tellers) waiting.delete(key)
    }
  }
  known.set(guard, when)
  return when
}
