import type { DraftColumns, Row } from './columns.ts'
import type { Failure } from './failure.ts'
import type { FileId } from './same-file.ts'

/** Messages between the caller's thread and the worker: many steps in one message, so that few of them are sent. */

export interface WorkerOptions {
  readonly path: string
  /** Added to the worker's wall clock; shared, so that tests can step it. */
  readonly clockSkewMs: Float64Array | undefined
  readonly busyMs: number
  readonly asItIs: boolean
}

/** A history event without its time: transition, from, to, fence, nonce, who, why, openSends. */
export type EventColumns = readonly [string, number, number, number, string, string, string | null, number]

export type WriteStep = readonly [
  id: number,
  verb: 'write',
  key: string,
  tenant: string,
  expect: number,
  draft: DraftColumns | null,
  event: EventColumns,
]
export type NoteStep = readonly [id: number, verb: 'note', key: string, tenant: string, event: EventColumns]
export type MarkStep = readonly [id: number, verb: 'mark', amnesia: string | null]
export type PutBlobStep = readonly [
  id: number,
  verb: 'put-blob',
  key: string,
  tenant: string,
  sha256: string,
  bytes: Uint8Array,
]
/** Steps that need the write lock. */
export type WritingStep = WriteStep | NoteStep | MarkStep | PutBlobStep

export interface Scan {
  readonly after: number
  readonly limit: number
  readonly tenant: string | undefined
  readonly states: readonly number[] | undefined
  readonly tool: string | undefined
  readonly run: string | undefined
  readonly keyPrefix: string | undefined
  readonly updatedBefore: number | undefined
  /** `due`: what a sweeper has to look at; the other filters do not count then. */
  readonly kind: 'all' | 'due'
}

export type ReadingStep =
  | readonly [id: number, verb: 'read', key: string, tenant: string]
  | readonly [id: number, verb: 'scan', scan: Scan]
  | readonly [id: number, verb: 'history', key: string, tenant: string]
  | readonly [id: number, verb: 'count', tenant: string | undefined, after: number]
  | readonly [id: number, verb: 'epoch']
  | readonly [id: number, verb: 'get-blob', key: string, tenant: string, sha256: string]
  | readonly [id: number, verb: 'doctor']
  /** Folds as much of the log into the file as nobody reads any more. */
  | readonly [id: number, verb: 'checkpoint']
  /** Lets the log have its later size at once. */
  | readonly [id: number, verb: 'make-room']
  | readonly [id: number, verb: 'close']

export type Step = WritingStep | ReadingStep

/** The caller's store time rides along, so that the store's clock never shows less than it already did there. */
export type Request = readonly [now: number, steps: readonly Step[]]

export type WriteReply =
  | readonly [applied: 1, now: number, sequence: number, previousLease: number, amnesiaAt: number]
  | readonly [applied: 0, now: number, sequence: number, row: Row | null, amnesiaAt: number]

export interface ScanReply {
  readonly rows: readonly Row[]
  /** Where to go on; undefined at the end. */
  readonly next: number | undefined
  readonly now: number
  /** True when its rows are so large that no more of them belong into one page. */
  readonly isFull: boolean
}

/** One answer. Applied writes, which are nearly all, travel in {@link Replies} as numbers. */
export type Reply = readonly [id: number, ok: 1, value: unknown] | readonly [id: number, ok: 0, failure: Failure]

/**
 * Answers of one transaction, or of some reads. An array of numbers, since that is copied to the other thread fastest.
 * `applied` has three for each applied write: its step's id, its sequence, the lease before.
 */
export type Replies = readonly [now: number, amnesiaAt: number, applied: readonly number[], others: readonly Reply[]]

/** Numbers of an applied write in {@link Replies}. */
export const NUMBERS_OF_APPLIED = 3

/** Answers among which there is no applied write. */
export function withoutApplied(others: readonly Reply[]): Replies {
  return [0, 0, [], others]
}

/** What the worker says by itself: it is ready, it could not start. */
export type Greeting =
  | { readonly ready: true; readonly now: number; readonly file: FileId }
  | { readonly ready: false; readonly failure: Failure }
