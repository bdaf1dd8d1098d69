import { numberOf, type Item } from './client.ts'
import type { Context } from './context.ts'
import { keyOfRecord } from './record-item.ts'

/** Pause between looks at watched records; the service tells nobody of changes by itself. */
const FIRST_LOOK_MS = 25
const LAST_LOOK_MS = 250
/** What BatchGetItem takes; of more watched records each look takes the next hundred. */
const BATCH = 100

/** Hints of changes: at once for those of this process, by looking for those of others. */
export interface Watchers {
  watch(key: string, listener: () => void): () => void
  /** This process has written the record. */
  tell(key: string): void
  /** A record of that key was read or written: where watchers then look. */
  place(key: string, partition: Uint8Array, revision: number): void
  stop(): void
}

interface Watched {
  readonly listeners: Set<() => void>
  partition: Uint8Array | undefined
  revision: number
}

/** A key that was read but is not watched yet has no entry; places of keys lately seen, so that a watcher knows where to look. */
const REMEMBERED = 5000

export function createWatchers(context: Context): Watchers {
  const watched = new Map<string, Watched>()
  const places = new Map<string, { readonly partition: Uint8Array; readonly revision: number }>()
  let timer: NodeJS.Timeout | undefined
  let pauseMs = FIRST_LOOK_MS

  function schedule(): void {
    if (timer !== undefined || watched.size === 0) return
    timer = setTimeout(() => {
      void look().finally(() => {
        timer = undefined
        pauseMs = Math.min(pauseMs * 2, LAST_LOOK_MS)
        schedule()
      })
    }, pauseMs)
    timer.unref()
  }

  async function look(): Promise<void> {
    const seen = [...watched].filter(([, entry]) => entry.partition !== undefined).slice(0, BATCH)
    if (seen.length === 0) return
    // The next look begins with others.
    for (const [key, entry] of seen) {
      watched.delete(key)
      watched.set(key, entry)
    }
    try {
      const revisions = await revisionsOf(seen.map(([, entry]) => entry.partition as Uint8Array))
      for (const [key, entry] of seen) {
        const revision = revisions.get(Buffer.from(entry.partition as Uint8Array).toString('base64'))
        if (revision !== undefined && revision !== entry.revision) {
          entry.revision = revision
          tell(key)
        }
      }
    } catch {
      // Hints are hints: the engine's own reads are the floor.
    }
  }

  async function revisionsOf(partitions: readonly Uint8Array[]): Promise<ReadonlyMap<string, number>> {
    const { Responses } = await context.step('look at watched records', (options) =>
      context.client.batchGetItem(
        {
          RequestItems: {
            [context.table]: {
              Keys: partitions.map((partition) => keyOfRecord(partition)),
              ConsistentRead: true,
              ProjectionExpression: 'p, v',
            },
          },
        },
        options,
      ),
    )
    const items: readonly Item[] = Responses?.[context.table] ?? []
    return new Map(
      items.map((item) => [Buffer.from(item['p']?.B ?? []).toString('base64'), numberOf(item['v'])] as const),
    )
  }

  function tell(key: string): void {
    for (const listener of watched.get(key)?.listeners ?? []) queueMicrotask(listener)
  }

  return {
    tell,
    place(key, partition, revision) {
      const entry = watched.get(key)
      if (entry !== undefined) {
        entry.partition = partition
        entry.revision = revision
      }
      places.delete(key)
      places.set(key, { partition, revision })
      if (places.size > REMEMBERED) places.delete(places.keys().next().value as string)
    },
    watch(key, listener) {
      const at = places.get(key)
      const entry = watched.get(key) ?? {
        listeners: new Set(),
        partition: at?.partition,
        revision: at?.revision ?? 0,
      }
      const own = (): void => listener()
      entry.listeners.add(own)
      watched.set(key, entry)
      pauseMs = FIRST_LOOK_MS
      schedule()
      return () => {
        entry.listeners.delete(own)
        if (entry.listeners.size === 0 && watched.get(key) === entry) watched.delete(key)
      }
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
      watched.clear()
    },
  }
}
