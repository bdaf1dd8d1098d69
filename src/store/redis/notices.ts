import type { Driver, Listener } from './driver.ts'
import { channelOf } from './names.ts'

export interface Notices {
  watch(key: string, listener: () => void): () => void
  /** `key` changed, by this process. */
  tell(key: string): void
  stop(): void
}

/**
 * Hints that a record changed, by a channel of its own for every key that somebody waits for. All of it may fail: the
 * engine polls, and polls less often than it is told. Whoever begins to listen, or listens again after the connection
 * was away, looks once, since what was told before that is not heard.
 */
export function createNotices(driver: Driver, prefix: string): Notices {
  const listeners = new Map<string, Set<() => void>>()
  const keys = new Map<string, string>()
  let listener: Listener | undefined
  let ready = 0

  /** Over a copy: a listener that watches again is told of the next change, not of this one. */
  function tell(key: string): void {
    const set = listeners.get(key)
    if (set !== undefined) for (const listener of Array.from(set)) listener()
  }

  function again(): void {
    ready += 1
    if (ready > 1) for (const key of Array.from(listeners.keys())) tell(key)
  }

  function heard(channel: string): void {
    const key = keys.get(channel)
    if (key !== undefined) tell(key)
  }

  /** Without waiting for it to begin, which it may never do. */
  function drop(): void {
    const gone = listener
    listener = undefined
    ready = 0
    gone?.close()
  }

  async function begin(key: string): Promise<void> {
    const channel = channelOf(prefix, key)
    keys.set(channel, key)
    try {
      const own = (listener ??= driver.listen(heard, again))
      await own.begun.catch((error: unknown) => {
        if (listener === own) drop()
        throw error
      })
      await own.subscribe(channel)
      tell(key)
    } catch {
      // Whoever waits polls.
    }
  }

  async function end(key: string): Promise<void> {
    const channel = channelOf(prefix, key)
    try {
      await listener?.begun
      if (listeners.has(key)) return
      keys.delete(channel)
      await listener?.unsubscribe(channel)
    } catch {
      // The connection is gone, and the channel with it.
    }
  }

  return {
    watch(key, listener) {
      const set = listeners.get(key) ?? new Set()
      // The same function may watch twice; each watch ends by itself.
      const own = (): void => listener()
      const first = set.size === 0
      listeners.set(key, set.add(own))
      if (first) void begin(key)
      return () => {
        set.delete(own)
        if (set.size > 0 || listeners.get(key) !== set) return
        listeners.delete(key)
        void end(key)
      }
    },
    tell,
    stop: drop,
  }
}
