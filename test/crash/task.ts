import type { FaultPoint } from '../../src/engine/index.ts'

/** The tools that the killed processes call; one per recovery class and way of sending. */
export const KINDS = ['keyed', 'keyed-probe', 'probe', 'probe-unchecked', 'idempotent', 'manual', 'composite'] as const

export type Kind = (typeof KINDS)[number]

/** One operation: a tool and a reference that the downstream program counts effects by. */
export interface Work {
  readonly kind: Kind
  /** True for the form of the tool that has a prepare phase. */
  readonly prepared: boolean
  readonly ref: string
}

/** At the nth time that a point is passed. */
export interface Moment {
  readonly point: FaultPoint
  readonly nth: number
}

/** What one process is to do, given to it as JSON in its only argument. */
export interface Task {
  readonly url: string
  /** Where the ledger is, as its store's process understands it. */
  readonly ledger: string
  readonly spool: string
  /** Run id of the process's calls: the downstream sees it as a header, so an effect can be traced to its caller. */
  readonly run: string
  readonly works: readonly Work[]
  /** All calls at once, and each twice; otherwise one after the other. */
  readonly concurrent: boolean
  /** The process kills itself here. */
  readonly die?: Moment
  /** The process stands still here for so long, timers and heartbeats included. */
  readonly stall?: Moment & { readonly ms: number }
  /** Another connection locks the ledger from the first answer on, so that the answer can only be spooled. */
  readonly lock?: { readonly thenDie: boolean }
  /** The last process of a wave: it also waits until nothing is left to do, and says how each of these ended. */
  readonly settle?: readonly Work[]
}

/** What a caller was told. `none`: the effect did not happen; `unknown`: nobody can say yet. */
export type Told = 'success' | 'none' | 'unknown' | 'broken'

/** The lines that a process writes, one JSON value each. */
export type Line =
  | { readonly type: 'go' }
  | { readonly type: 'call'; readonly ref: string }
  | {
      readonly type: 'told'
      readonly ref: string
      readonly run: string
      readonly told: Told
      readonly answer?: string
      readonly code?: string
    }
  | { readonly type: 'dying'; readonly point: string }
  | { readonly type: 'spooled'; readonly ref: string }
  | { readonly type: 'alarm'; readonly message: string }
  | { readonly type: 'final'; readonly ref: string; readonly state: string; readonly listed: boolean }
  | { readonly type: 'done' }

/** The references whose effects an operation consists of: a composite has two parts. */
export const partsOf = (work: Work): readonly string[] =>
  work.kind === 'composite' ? [`${work.ref}.a`, `${work.ref}.b`] : [work.ref]
