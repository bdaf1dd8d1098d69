import type { Driver } from './driver.ts'
import { channelOf, quotedSchema } from './names.ts'
import { NOW } from './columns.ts'
import { fromColumn, toColumn } from './text.ts'
import { createWatchers, type Watchers } from './watchers.ts'

/** How long a key stays awaited after it was last asked for; a process that is gone is forgotten after that. */
const AWAITED_MS = 30_000
const RENEW_MS = 10_000
const REMEMBERED = 10_000

export interface Notices extends Pick<Watchers, 'watch' | 'tell'> {
  /** The revision of `key` that this process has been shown. */
  seen(key: string, revision: number): void
  stop(): Promise<void>
}

/**
 * Hints that a record changed. Writers tell only of keys that somebody has put into `awaited`, since a notification costs
 * every commit of the server a common lock. All of it may fail: the engine polls, and polls less often than it is told.
 */
export function createNotices(driver: Driver, schema: string): Notices {
  const s = quotedSchema(schema)
  const register = `
    INSERT INTO ${s}.awaited (key, until) SELECT key, ${NOW} + ${AWAITED_MS} FROM json_array_elements_text($1::text::json) AS key
    ORDER BY key COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET until = excluded.until`
  const look = `
    SELECT DISTINCT ON (key) key, revision::float8 AS revision FROM ${s}.records
    WHERE key IN (SELECT json_array_elements_text($1::text::json)) ORDER BY key, updated_at DESC`
  const forget = `DELETE FROM ${s}.awaited WHERE until < ${NOW}`
  const shown = new Map<string, number>()
  let begun: string[] = []
  let flushing = false
  let isUp = false
  let listening: Promise<(() => Promise<void>) | undefined> | undefined
  let timer: NodeJS.Timeout | undefined

  const watchers = createWatchers((key) => {
    begun.push(key)
    listening ??= driver
      .listen(
        channelOf(schema),
        (payload) => watchers.tell(fromColumn(payload)),
        () => {
          // What was told while nobody listened is made up for; before the first time nothing was.
          if (isUp) watchers.tellAll()
          isUp = true
        },
      )
      .catch(() => undefined)
    timer ??= setInterval(renew, RENEW_MS)
    timer.unref()
    if (!flushing) {
      flushing = true
      void flush()
    }
  })

  async function flush(): Promise<void> {
    try {
      // A turn of its own, so that callers that wait side by side are one statement.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      while (begun.length > 0) {
        const keys = begun
        begun = []
        await ask(keys)
      }
    } finally {
      flushing = false
    }
  }

  async function ask(keys: readonly string[]): Promise<void> {
    const columns = JSON.stringify(keys.map(toColumn))
    try {
      await driver.query(register, [columns])
      // What changed before a writer could know that somebody waits is told now; only a look after the commit sees it.
      for (const row of await driver.query(look, [columns])) {
        const key = fromColumn(row['key'] as string)
        if (shown.get(key) !== Number(row['revision'])) watchers.tell(key)
      }
    } catch {
      // Whoever waits polls.
    }
  }

  function renew(): void {
    const keys = watchers.keys()
    void (keys.length > 0 ? ask(keys) : driver.query(forget, []).catch(() => undefined))
    if (keys.length === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }

  return {
    watch: (key, listener) => watchers.watch(key, listener),
    tell: (key) => watchers.tell(key),
    seen(key, revision) {
      if (shown.size >= REMEMBERED) shown.clear()
      shown.set(key, revision)
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      const begunListening = listening
      listening = undefined
      await (
        await begunListening
      )?.()
    },
  }
}
