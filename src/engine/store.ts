import type { RecoveryClass } from '../contract/index.ts'
import type { OnefoldError } from '../error/index.ts'
import type { Draft, HistoryEvent, OperationRecord, State } from './record.ts'

/** What a read answers: the record as of now, and the store's clock at that moment. */
export interface Reading {
  readonly record: OperationRecord | undefined
  /** Store clock, milliseconds. */
  readonly now: number
}

/** One compare-and-set: apply `draft` if the record's revision is still `expect`. */
export interface Write {
  readonly key: string
  readonly tenant: string
  /** The revision that the decision was made on; 0 for absent. */
  readonly expect: number
  /** The next record; undefined deletes it with its history (T17). */
  readonly draft: Draft | undefined
  /** Appended to the history in the same atomic step; `at` and an unknown fence are set by the store. */
  readonly event: Omit<HistoryEvent, 'at'>
}

/** The operation that a blob belongs to. */
export interface BlobOwner {
  readonly key: string
  readonly tenant: string
}

/** True for a write that, once applied, leaves no blob of its operation: T17 deletes the record, or makes it a tombstone. */
export const erasesBlobs = ({ draft }: Pick<Write, 'draft'>): boolean =>
  draft === undefined || draft.state === 'expired'

/** The answer to a write. A conflict hands back what is there, so that no second read is needed. */
export interface WriteAnswer {
  readonly applied: boolean
  /** The record after the step: ours when applied, else what was there. */
  readonly record: OperationRecord | undefined
  readonly now: number
  /** The store-wide sequence; falling below one that was acknowledged means that records were lost. */
  readonly sequence: number
  /** `at` of the amnesia mark that stood inside the step; 0 or absent when none did. */
  readonly amnesiaAt?: number
}

/** What {@link Store.list} is asked for. Always within one tenant, unless `tenant` is `undefined` (operators only). */
export interface ListQuery {
  readonly tenant: string | undefined
  readonly states?: readonly State[]
  readonly tool?: string
  readonly run?: string
  /** Only keys that begin with this text (tickets are beginnings of keys). */
  readonly keyPrefix?: string
  /** Only records updated at or before this store time. */
  readonly updatedBefore?: number
  /** @default 100 */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly after?: string
}

/**
 * What a page holds of records at most, and one record more, which may be larger than 1 MiB. It has to come within the
 * deadline of one answer: else the sweeper, whose work list it is, would never get one.
 */
export const PAGE_BYTES: number = 4 * 1024 * 1024

/** It may hold fewer records than the limit, none even: a backend that has to search answers with what it found in time. */
export interface ListPage {
  readonly records: readonly OperationRecord[]
  /** Where to go on; undefined at the end, and only there. */
  readonly next: string | undefined
  readonly now: number
  /** One for each record that a newer version wrote in a state that is not known here: it is left out. Absent for none. */
  readonly unreadable?: readonly OnefoldError[]
}

/** Counts for `onefold ledger stats`, over one tenant or all. */
export interface StoreStats {
  readonly states: Readonly<Record<string, number>>
  /** Where to go on counting, for a backend that counts a part at a time; absent at the end. */
  readonly next?: string
  readonly sizeBytes: number | undefined
}

/** Records were lost: until an operator lifts it, "absent" is no evidence (protocol.md section 8, amnesia). */
export interface AmnesiaMark {
  /** Store time at which the loss was seen. */
  readonly at: number
  /** Earliest store time from which records may be missing. */
  readonly lossFrom: number
  readonly why: string
}

/** The store's identity. A changed `id` alone is no loss; a `sequence` below one that was acknowledged is. */
export interface Epoch {
  readonly id: string
  readonly sequence: number
  readonly amnesia: AmnesiaMark | undefined
}

/** One line of `onefold doctor`. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly found: string
  /** What to do about it; for findings that are not ok. */
  readonly fix?: string
  /** True when the store must not be served with this finding. */
  readonly unsafe?: boolean
}

/** What a store can keep, which decides which recovery classes may be registered on it. */
export interface StoreGuarantees {
  /** `power-loss`: an acknowledged write survives a power cut; `process`: a killed process; `none`: nothing (tests). */
  readonly durability: 'power-loss' | 'process' | 'none'
  /** True when the engine can run a tool inside a transaction of this store. */
  readonly transactions: boolean
  /** Several processes may share it. */
  readonly shared: boolean
  /**
   * It lies in this process or on this machine's disk. Reads cost microseconds: the engine then reads before it tries to
   * claim. And nobody else's process owns anything in it. @default false
   */
  readonly localReads?: boolean
}

/** One transaction of the backend, begun and ended by the engine; a transactional tool works in it. */
export interface StoreTransaction {
  /** What the tool is given as `ctx.transaction`; refuses everything once the transaction has ended. */
  readonly handle: unknown
  /**
   * Writes in order and commits: all of it, or nothing. Writes on one record expect the revisions that the ones before
   * leave. Not applied: everything was undone, and `record` is what is there. The transaction has ended in any case.
   * Errors: `STORE_UNAVAILABLE` with `details.applied: 'unknown'` when it is not known whether it committed; with any other
   * error everything was undone.
   */
  commit(writes: readonly Write[]): Promise<WriteAnswer>
  /**
   * Undoes everything; once it has resolved nothing of it can be committed any more. Harmless after an end. Rejects with an
   * effect of `unknown` where the tool has committed the transaction itself.
   */
  rollback(): Promise<void>
}

/**
 * The port between the engine and a backend. Every verb is one atomic step; none reads and then writes.
 * The store keeps time, the sequence and the epoch, and compares revisions; which transition is legal is
 * decided by `machine.ts` on the very revision that the write then expects, so a guard holds inside the step.
 * Errors: `STORE_UNAVAILABLE` when it cannot be known whether the step was applied or it was not.
 */
export interface Store {
  readonly name: string
  readonly guarantees: StoreGuarantees
  /**
   * Why tools of this recovery class must not be registered; undefined when they may, and while it is not known because
   * the store is not open. @default every class may
   */
  refuses?(recovery: RecoveryClass): string | undefined
  /** Connects, checks settings and schema. @throws OnefoldError STORE_UNAVAILABLE, STORE_UNSAFE */
  open(): Promise<void>
  /** Synchronous where the backend allows it (SQLite, memory): a replay then costs no hop. */
  read(key: string, tenant: string): Reading | Promise<Reading>
  write(write: Write): Promise<WriteAnswer>
  /**
   * There exactly where `guarantees.transactions` is true. What the tool does in it may take `lastsMs`, in pauses too.
   * @throws OnefoldError STORE_UNAVAILABLE: nothing has begun
   */
  begin?(lastsMs: number): Promise<StoreTransaction>
  /** Appends to the history without touching the record; may become durable later. */
  note(key: string, tenant: string, event: Omit<HistoryEvent, 'at'>): Promise<void>
  /** Oldest first. */
  history(key: string, tenant: string): Promise<readonly HistoryEvent[]>
  list(query: ListQuery): Promise<ListPage>
  /**
   * Open records whose lease is over, and every record in doubt or accepted; oldest first, all tenants.
   * The sweeper's and the recoverer's work list. Page on with `after`: doubts that only a person can settle stay in it.
   */
  due(limit: number, after?: string): Promise<ListPage>
  /** Closed records in no order, a page at a time, for retention. */
  closed(limit: number, after: string | undefined): Promise<ListPage>
  /** @param after the `next` of the counts before */
  stats(tenant: string | undefined, after?: string): Promise<StoreStats>
  /** Hints that a record changed, also from other processes where the backend can tell. Never relied on. */
  watch(key: string, listener: () => void): () => void
  epoch(): Promise<Epoch>
  /** Sets or (undefined) lifts the mark, for every engine on this store. */
  markAmnesia(mark: AmnesiaMark | undefined): Promise<void>
  /**
   * Keeps bytes beside one operation, named by their content; putting twice is harmless, and no other operation sees them.
   * Durable before it resolves. The operation may not be recorded yet; beside one that is `expired` nothing is kept. They
   * are erased by the very step that {@link erasesBlobs erases} what they belong to, and by nothing else.
   */
  putBlob(owner: BlobOwner, sha256: string, bytes: Uint8Array): Promise<void>
  /** Also what an older version stored for all operations together, which has no owner. */
  getBlob(owner: BlobOwner, sha256: string): Promise<Uint8Array | undefined>
  doctor(): Promise<readonly Finding[]>
  close(): Promise<void>
}
