import { AsyncLocalStorage } from 'node:async_hooks'
import type { RunReference } from '../contract/index.ts'
import type { SendPort } from './attempt.ts'
import type { Operation } from './operation.ts'
import type { OperationRecord, ParentReference } from './record.ts'
import { createSlots, type Slots } from './slots.ts'

/** The operation that is executing in this asynchronous context; a chain up to the outermost. */
export interface OperationFrame {
  readonly key: string
  readonly tenant: string
  /** Of the guard that executes it: another guard's operations inside it are of that one's tenant. */
  readonly naming: object
  readonly tool: string
  readonly fence: () => number
  readonly nonce: () => string
  readonly composite: boolean
  readonly up: OperationFrame | undefined
  /** Ordinal of the next child, counted in the order of calls. */
  nextChild: number
  /** What it has called, by ledger and there once each by name. */
  readonly parts: Map<object, Map<string, Part>>
  /** Records the nth child of a composite operation, in the ledger of the guard that executes it. */
  readonly adopt: (child: Operation, ordinal: number) => Promise<void>
  /** Calls by `identity: 'sequence'` inside it; undefined before the first. */
  sequences: Sequences | undefined
  readonly port: SendPort
  /** True once `execute` has ended; what it left running in this context is no longer the operation's. */
  ended: boolean
}

/** A call that an operation has made, in whatever guard and ledger. */
export interface Part {
  readonly tool: string
  readonly ticket: string
  /** Calls of it that have not ended. */
  running: number
  /** Whether something of it stands, or may come to stand, by this operation's doing. */
  mayStand(): Promise<boolean>
}

/** The operation that is executing, as the observers of its requests may know it. */
export type CurrentOperation = Readonly<Pick<OperationFrame, 'port' | 'ended'>>

/** One run while it is in this process. */
export interface ActiveRun extends RunReference {
  /** True when the id was minted here, below whatever retries (protocol.md section 8). */
  readonly unanchored: boolean
  /** W3C Trace Context's `traceparent` of the request, carried along. */
  readonly traceparent: string | undefined
  /**
   * The amnesia mark that stood when the id was minted here; 0 when none did, and for an id from outside, which may be
   * older than any loss. No clock is asked: a wall clock may be days ahead of the store's.
   */
  readonly mintedUnder: number
  /** The operation of another process that this run is a part of. */
  readonly parent: RemoteParent | undefined
  readonly touched: Map<string, Touched>
  /** By tool; one count for a run and for those within it that go under its name. */
  readonly sequences: Sequences
  readonly pending: Slots<Pending>
}

/** A place among the parts of an operation elsewhere, and how many parts it has had here. */
export interface RemoteParent extends ParentReference {
  nextChild: number
}

/** A call that has not ended, or what goes on of one that its caller has left. */
export interface Pending {
  readonly key: string
  readonly work: Promise<unknown>
}

/** An operation that a run has called. */
export interface Touched {
  readonly key: string
  readonly tenant: string
  readonly tool: string
  readonly amount: number | undefined
}

/** By tool. */
export type Sequences = Map<string, SequenceState>

/** `identity: 'sequence'` inside one run, or one operation: which call has which index. */
export interface SequenceState {
  next: number
  readonly byCall: Map<string | undefined, number>
  /** Indexes whose answer has not reached the caller: the next calls are their retries, the first index first. */
  readonly undelivered: Set<number>
  /** Indexes whose answer reached the caller: a repeat of one that goes wrong makes no other call its retry. */
  readonly delivered: Set<number>
}

interface Scope {
  readonly run: ActiveRun | undefined
  readonly frame: OperationFrame | undefined
}

const storage = new AsyncLocalStorage<Scope>()

export const currentRun = (): ActiveRun | undefined => storage.getStore()?.run
/** The innermost operation that is executing; one that has ended has no part in what it left running. */
export function currentFrame(): OperationFrame | undefined {
  let frame = storage.getStore()?.frame
  while (frame?.ended === true) frame = frame.up
  return frame
}
/** Also one that has ended: whoever observes requests must know that they are nobody's. */
export const currentOperation = (): CurrentOperation | undefined => storage.getStore()?.frame

/**
 * The tenant of what is done outside every run: that of the operation around it, which may be recovered by a guard whose
 * own tenant is another, else that guard's own.
 */
export function tenantWithoutRun(
  naming: { readonly defaultTenant: string },
  frame: OperationFrame | undefined,
): string {
  for (let up = frame; up !== undefined; up = up.up) if (up.naming === naming) return up.tenant
  return naming.defaultTenant
}

/** Runs `work` inside a run; the operation that is executing, if any, stays the parent. */
export function withRun<T>(run: ActiveRun, work: () => T): T {
  return storage.run({ run, frame: currentFrame() }, work)
}

export function withFrame<T>(run: ActiveRun | undefined, frame: OperationFrame | undefined, work: () => T): T {
  return storage.run({ run, frame }, work)
}

/** Runs `work` in no run: what the engine does for everybody is no part of whoever made it begin. */
export const inNoRun = <T>(work: () => T): T => withFrame(undefined, undefined, work)

/** The run that first asked, so that its id and tenant reach the downstream and the operation's parts again. */
export function runOfRecord(record: OperationRecord): ActiveRun | undefined {
  if (record.run === undefined) return undefined
  const { tenant, session, unanchored } = record
  return newRun({ id: record.run, tenant, session, unanchored, mintedUnder: 0 })
}

export function newRun(options: {
  readonly id: string
  readonly tenant: string
  readonly session: string | undefined
  readonly unanchored: boolean
  readonly traceparent?: string | undefined
  readonly mintedUnder: number
  readonly parent?: RemoteParent | undefined
  readonly sequences?: Sequences | undefined
}): ActiveRun {
  return {
    traceparent: undefined,
    parent: undefined,
    ...options,
    touched: new Map(),
    sequences: options.sequences ?? new Map(),
    pending: createSlots(),
  }
}
