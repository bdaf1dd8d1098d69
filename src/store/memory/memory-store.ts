import {
  erasesBlobs,
  OPEN_STATES,
  stamp,
  type AmnesiaMark,
  type HistoryEvent,
  type ListPage,
  type OperationRecord,
  type Store,
  type Write,
  type WriteAnswer,
} from '../../engine/index.ts'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'

export interface MemoryOptions {
  /** Wall clock in milliseconds. The store's own clock follows it and never goes backwards. @default Date.now */
  readonly clock?: () => number
}

const NAMES: NamesOf<MemoryOptions> = { clock: true }

/** One record with its place in the order of recording, which pages are cut by. */
interface Row {
  readonly id: number
  record: OperationRecord
  readonly history: HistoryEvent[]
}

const FIRST_PAGE = '0'

/**
 * A store that keeps nothing when the process ends (durability `none`), linearizable because every step is synchronous.
 * Deterministic under an injected clock. Calls on a store that is not open reject with `STORE_UNAVAILABLE`.
 */
export function memoryStore(options: MemoryOptions = {}): Store {
  knownOptions('memoryStore', options, NAMES)
  const clock = steady(options.clock ?? Date.now)
  const rows = new Map<string, Row>()
  const unfinished = new Set<Row>()
  /** By the place of the operation, then by content. */
  const blobs = new Map<string, Map<string, Uint8Array>>()
  const listeners = new Map<string, Set<() => void>>()
  let sequence = 0
  let ids = 0
  let amnesia: AmnesiaMark | undefined
  let isOpen = false

  const place = (key: string, tenant: string): string => `${tenant.length}:${tenant}${key}`
  const find = (key: string, tenant: string): Row | undefined => rows.get(place(key, tenant))

  function demandOpen(): void {
    if (!isOpen) {
      throw new OnefoldError(
        'STORE_UNAVAILABLE',
        'The memory store is not open. Nothing was done: call open() first.',
        {
          retryable: true,
        },
      )
    }
  }

  function put(write: Write, now: number): OperationRecord | undefined {
    const at = place(write.key, write.tenant)
    const row = rows.get(at)
    sequence += 1
    if (erasesBlobs(write)) blobs.delete(at)
    if (write.draft === undefined) {
      rows.delete(at)
      if (row !== undefined) unfinished.delete(row)
      return undefined
    }
    const record = stamp(write.draft, row?.record, now, sequence)
    const next = row ?? { id: (ids += 1), record, history: [] }
    next.record = record
    next.history.push({ ...write.event, fence: write.event.fence === 0 ? record.fence : write.event.fence, at: now })
    rows.set(at, next)
    if (OPEN_STATES.includes(record.state)) unfinished.add(next)
    else unfinished.delete(next)
    return record
  }

  /** The first `limit` of the rows that pass, in order of recording, from behind `after`. */
  function page(
    from: Iterable<Row>,
    limit: number,
    after: string | undefined,
    wanted: (record: OperationRecord) => boolean,
  ): ListPage {
    const start = Number(after ?? FIRST_PAGE)
    const records: OperationRecord[] = []
    let last = start
    for (const row of from) {
      if (row.id <= start || !wanted(row.record)) continue
      if (records.length === limit) return { records, next: String(last), now: clock() }
      records.push(row.record)
      last = row.id
    }
    return { records, next: undefined, now: clock() }
  }

  return {
    name: 'memory',
    guarantees: { durability: 'none', transactions: false, shared: false, localReads: true },
    async open() {
      isOpen = true
    },
    read(key, tenant) {
      demandOpen()
      return { record: find(key, tenant)?.record, now: clock() }
    },
    async write(write): Promise<WriteAnswer> {
      demandOpen()
      const current = find(write.key, write.tenant)?.record
      const now = clock()
      const amnesiaAt = amnesia?.at ?? 0
      if ((current?.revision ?? 0) !== write.expect)
        return { applied: false, record: current, now, sequence, amnesiaAt }
      const record = put(write, now)
      for (const listener of listeners.get(write.key) ?? []) queueMicrotask(listener)
      return { applied: true, record, now, sequence, amnesiaAt }
    },
    async note(key, tenant, event) {
      demandOpen()
      find(key, tenant)?.history.push({ ...event, at: clock() })
    },
    async history(key, tenant) {
      demandOpen()
      return [...(find(key, tenant)?.history ?? [])]
    },
    async list(query) {
      demandOpen()
      const { tenant, states, tool, run, keyPrefix, updatedBefore, limit = 100, after } = query
      return page(rows.values(), limit, after, (record) => {
        if (tenant !== undefined && record.tenant !== tenant) return false
        if (states !== undefined && !states.includes(record.state)) return false
        if (tool !== undefined && record.tool !== tool) return false
        if (run !== undefined && record.run !== run) return false
        if (keyPrefix !== undefined && !record.key.startsWith(keyPrefix)) return false
        return updatedBefore === undefined || record.updatedAt <= updatedBefore
      })
    },
    async due(limit, after) {
      demandOpen()
      const now = clock()
      const inOrder = [...unfinished].sort((one, other) => one.id - other.id)
      return page(inOrder, limit, after, (record) => {
        return record.leaseUntil <= now || record.state === 'in-doubt' || record.state === 'accepted'
      })
    },
    async closed(limit, after) {
      demandOpen()
      return page(rows.values(), limit, after, (record) => !OPEN_STATES.includes(record.state))
    },
    async stats(tenant) {
      demandOpen()
      const states: Record<string, number> = {}
      for (const { record } of rows.values()) {
        if (tenant === undefined || record.tenant === tenant) states[record.state] = (states[record.state] ?? 0) + 1
      }
      return { states, sizeBytes: undefined }
    },
    watch(key, listener) {
      const set = listeners.get(key) ?? new Set()
      const own = (): void => listener()
      listeners.set(key, set.add(own))
      return () => {
        set.delete(own)
        if (set.size === 0 && listeners.get(key) === set) listeners.delete(key)
      }
    },
    async epoch() {
      demandOpen()
      return { id: 'memory', sequence, amnesia }
    },
    async markAmnesia(mark) {
      demandOpen()
      amnesia = mark
    },
    async putBlob({ key, tenant }, sha256, bytes) {
      demandOpen()
      if (find(key, tenant)?.record.state === 'expired') return
      const own = blobs.get(place(key, tenant)) ?? new Map<string, Uint8Array>()
      blobs.set(place(key, tenant), own.set(sha256, Uint8Array.from(bytes)))
    },
    async getBlob({ key, tenant }, sha256) {
      demandOpen()
      const bytes = blobs.get(place(key, tenant))?.get(sha256)
      return bytes === undefined ? undefined : Uint8Array.from(bytes)
    },
    async doctor() {
      return [
        {
          check: 'durability',
          ok: false,
          found: 'records live in memory and end with the process',
          fix: 'use sqliteStore(path) from onefold/sqlite for effects that must survive a restart',
        },
      ]
    },
    async close() {
      isOpen = false
    },
  }
}

/** A clock that follows `wall` but never goes backwards: a step back is remembered as an offset, so time still passes. */
function steady(wall: () => number): () => number {
  let last = -Infinity
  let offset = 0
  return () => {
    const seen = wall()
    if (seen + offset < last) offset = last - seen
    last = seen + offset
    return last
  }
}
