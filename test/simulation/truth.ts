import { OPEN_STATES, stamp, type HistoryEvent, type OperationRecord } from '../../src/engine/record.ts'
import {
  erasesBlobs,
  type AmnesiaMark,
  type BlobOwner,
  type ListPage,
  type Write,
  type WriteAnswer,
} from '../../src/engine/store.ts'

/** One record in the store, with its place in the order of recording. */
export interface Row {
  readonly id: number
  record: OperationRecord
  history: readonly HistoryEvent[]
}

/** What a write did, for whoever watches. */
export interface Written {
  readonly write: Write
  readonly before: OperationRecord | undefined
  readonly after: OperationRecord | undefined
  readonly sequence: number
  readonly marked: boolean
}

export const placeOf = (key: string, tenant: string): string => `${tenant}|${key}`

/** The switches that mutants of the store turn. */
export interface StoreFaults {
  /** Compare-and-set compares nothing. */
  readonly blindWrites?: boolean
  /** A key that is recorded anew begins at revision and fence 1. */
  readonly fenceRestarts?: boolean
  /** A lost record leaves no trace in the sequence. */
  readonly silentLoss?: boolean
  /** The mark of a loss is not kept. */
  readonly forgetsMark?: boolean
}

/** What the store really holds, whatever its clients were told. Each step is atomic. */
export class Truth {
  readonly rows = new Map<string, Row>()
  /** By the place of their operation, then by content. */
  readonly blobs = new Map<string, Map<string, Uint8Array>>()
  sequence = 0
  amnesia: AmnesiaMark | undefined
  /** Places whose newest state a loss has undone. */
  readonly lost = new Set<string>()
  #ids = 0
  readonly #undo: { readonly place: string; readonly row: Row | undefined; readonly at: number }[] = []
  readonly #clock: () => number
  readonly #faults: StoreFaults
  readonly #watch: (written: Written) => void

  constructor(clock: () => number, faults: StoreFaults, watch: (written: Written) => void) {
    this.#clock = clock
    this.#faults = faults
    this.#watch = watch
  }

  now(): number {
    return this.#clock()
  }

  find(key: string, tenant: string): OperationRecord | undefined {
    return this.rows.get(placeOf(key, tenant))?.record
  }

  write(write: Write): WriteAnswer {
    const now = this.#clock()
    const place = placeOf(write.key, write.tenant)
    const row = this.rows.get(place)
    const amnesiaAt = this.amnesia?.at ?? 0
    if ((row?.record.revision ?? 0) !== write.expect && this.#faults.blindWrites !== true) {
      return { applied: false, record: row?.record, now, sequence: this.sequence, amnesiaAt }
    }
    this.#undo.push({ place, row: row === undefined ? undefined : { ...row }, at: now })
    this.sequence += 1
    let after: OperationRecord | undefined
    if (erasesBlobs(write)) this.blobs.delete(place)
    if (write.draft === undefined) this.rows.delete(place)
    else {
      const anew = this.#faults.fenceRestarts === true && row === undefined
      after = stamp(write.draft, row?.record, now, anew ? 1 : this.sequence)
      const event = { ...write.event, fence: write.event.fence === 0 ? after.fence : write.event.fence, at: now }
      this.rows.set(place, {
        id: row?.id ?? (this.#ids += 1),
        record: after,
        history: [...(row?.history ?? []), event],
      })
    }
    this.#watch({ write, before: row?.record, after, sequence: this.sequence, marked: this.amnesia !== undefined })
    return { applied: true, record: after, now, sequence: this.sequence, amnesiaAt }
  }

  putBlob({ key, tenant }: BlobOwner, sha256: string, bytes: Uint8Array): void {
    const place = placeOf(key, tenant)
    if (this.rows.get(place)?.record.state === 'expired') return
    this.blobs.set(place, (this.blobs.get(place) ?? new Map<string, Uint8Array>()).set(sha256, bytes))
  }

  getBlob({ key, tenant }: BlobOwner, sha256: string): Uint8Array | undefined {
    return this.blobs.get(placeOf(key, tenant))?.get(sha256)
  }

  /** The record as a replica shows it that is `lagMs` behind; undefined when both are the same. */
  replica(key: string, tenant: string, lagMs: number): { readonly record: OperationRecord | undefined } | undefined {
    const place = placeOf(key, tenant)
    const now = this.#clock()
    const missed = this.#undo.find((entry) => entry.place === place && entry.at > now - lagMs)
    return missed === undefined ? undefined : { record: missed.row?.record }
  }

  /** A fail-over, or a restore from a backup: the newest `count` writes never were. */
  lose(count: number): void {
    for (let left = Math.min(count, this.#undo.length); left > 0; left -= 1) {
      const last = this.#undo.pop()
      if (last === undefined) return
      this.lost.add(last.place)
      if (last.row === undefined) this.rows.delete(last.place)
      else this.rows.set(last.place, last.row)
      if (this.#faults.silentLoss !== true) this.sequence -= 1
    }
  }

  get writes(): number {
    return this.#undo.length
  }

  mark(mark: AmnesiaMark | undefined): void {
    if (this.#faults.forgetsMark !== true) this.amnesia = mark
  }

  page(limit: number, after: string | undefined, wanted: (record: OperationRecord) => boolean): ListPage {
    const start = Number(after ?? 0)
    const records: OperationRecord[] = []
    let last = start
    const rows = [...this.rows.values()]
    // A loss and a new record may leave the map out of the order of recording.
    rows.sort((one, other) => one.id - other.id)
    for (const row of rows) {
      if (row.id <= start || !wanted(row.record)) continue
      if (records.length === limit) return { records, next: String(last), now: this.#clock() }
      records.push(row.record)
      last = row.id
    }
    return { records, next: undefined, now: this.#clock() }
  }

  due(limit: number, after: string | undefined): ListPage {
    const now = this.#clock()
    return this.page(
      limit,
      after,
      ({ state, leaseUntil }) =>
        OPEN_STATES.includes(state) && (leaseUntil <= now || state === 'in-doubt' || state === 'accepted'),
    )
  }
}
