import { keepNewest } from '../../engine/index.ts'

/** Requests of the client that go past the engine and wait for the server. */
export interface Passing {
  /** `key` is the normalised id, `id` its text as the client wrote it. */
  asked(key: string, id: string, method: string): void
  /** The method of the request that this answer belongs to. */
  answered(key: string): string | undefined
  /** Ids that wait; they are forgotten by this. */
  open(): readonly string[]
}

const KEPT = 100_000

export function createPassing(): Passing {
  const waiting = new Map<string, { readonly id: string; readonly method: string }>()
  return {
    asked(key, id, method) {
      keepNewest(waiting, key, { id, method }, KEPT)
    },
    answered(key) {
      const known = waiting.get(key)
      waiting.delete(key)
      return known?.method
    },
    open() {
      const ids = Array.from(waiting.values(), ({ id }) => id)
      waiting.clear()
      return ids
    },
  }
}
