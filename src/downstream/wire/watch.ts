import type { WireAttempt } from './attempt.ts'
import { watchHttp } from './http.ts'
import { watchUndici } from './undici.ts'

type Watcher = (attempt: WireAttempt) => void

const watchers = new Set<Watcher>()
let stops: readonly (() => void)[] = []

/**
 * Tells of every HTTP request that this process makes with undici, `fetch`, `node:http` or `node:https`, before its
 * first byte and in the asynchronous context of who made it. Nothing is patched: it listens to diagnostics channels.
 * @returns stops it
 */
export function watchWire(watcher: Watcher): () => void {
  watchers.add(watcher)
  if (watchers.size === 1) stops = [watchUndici(tell), watchHttp(tell)]
  return () => {
    if (!watchers.delete(watcher) || watchers.size > 0) return
    for (const stop of stops) stop()
    stops = []
  }
}

function tell(attempt: WireAttempt): void {
  for (const watcher of watchers) watcher(attempt)
}
