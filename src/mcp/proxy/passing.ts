import { keepNewest } from '../../engine/index.ts'

/** Requests of the client that go past the engine and wait for the server. */
export interface Passing {
  /** `key` is the normalised id, `id` its text as the client wrote it. */
  asked(key: string, id: string, method: string): void
  /** The method of the request that this answer belongs to. */
  answered(key: string): string | undefined
  /** Ids that wait; they are forgotten by this. */
  open(): readonly string[]
  /** How many wait for an answer that is to come: not subscriptions, which end with their client. */
  size(): number
  /** Resolves when none of these waits any more. */
  settled(): Promise<void>
}

const KEPT = 100_000
/** Answered when it is taken back (MCP 2026-07-28, subscriptions). */
const LISTEN = 'subscriptions/listen'

export function createPassing(): Passing {
  const waiting = new Map<string, { readonly id: string; readonly method: string }>()
  const told = new Set<() => void>()
  const size = (): number => Array.from(waiting.values()).filter(({ method }) => method !== LISTEN).length
  function tell(): void {
    if (told.size === 0 || size() > 0) return
    for (const resolve of told) resolve()
    told.clear()
  }
  return {
    size,
    settled: () =>
      new Promise((resolve) => {
        told.add(resolve)
        tell()
      }),
    asked(key, id, method) {
      keepNewest(waiting, key, { id, method }, KEPT)
    },
    answered(key) {
      const known = waiting.get(key)
      waiting.delete(key)
      tell()
      return known?.method
    },
    open() {
      const ids = Array.from(waiting.values(), ({ id }) => id)
      waiting.clear()
      tell()
      return ids
    },
  }
}
