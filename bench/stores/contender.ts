import type { Store } from '../../src/engine/index.ts'

/** Servers that a bench starts, each on loopback. */
export type StoreName = 'memory' | 'sqlite' | 'redis' | 'postgres' | 'dynamodb'

/** Where the stores of a bench are, and what a contender is to keep to. Plain data: it is handed to child processes. */
export interface Place {
  readonly folder: string
  readonly redisPort: number
  /** `postgres://bench@127.0.0.1:PORT/bench` */
  readonly postgresUrl: string
  readonly dynamoPort: number
  /** Sets this run's keys and tables apart from others'. */
  readonly prefix: string
  /** How long ownership lasts without a sign of life. */
  readonly leaseMs: number
}

/** What a call's effect is handed. */
export interface Sending {
  /** Sends to the downstream; ours carries the operation's key. */
  readonly send: typeof fetch
}

/** A contender, connected. Its `call` runs `effect` once per key and answers every caller of the key, as far as it can. */
export interface Instance {
  call(key: string, effect: (sending: Sending) => Promise<unknown>): Promise<unknown>
  /** Keys of operations that it lists as unknown, for a person. Only who has such a list. */
  doubts?(): Promise<number>
  /** Settles the doubt about a key as a person would who looked at the downstream. */
  resolve?(key: string, happened: boolean): Promise<void>
  close(): Promise<void>
}

/** A store, not opened yet, and how to end its client. */
export interface OpenStore {
  readonly store: Store
  end(): Promise<void>
}

/** One thing that is measured: a file in contenders/ with a default set of these. */
export interface Contender {
  readonly name: string
  readonly store: StoreName
  /** The raw client that ratios are taken to; one for each store. */
  readonly floor?: true
  /** True for onefold: its rows have targets. */
  readonly ours?: true
  /** Left out of speed, for what is measured in the fault matrix alone. */
  readonly faultsOnly?: true
  /** Left out of the fault matrix. */
  readonly speedOnly?: true
  /** True where duplicates of a running call wait for its answer. */
  readonly waits?: true
  /** The ledger alone, for what is measured below the engine; ours only. */
  readonly open?: (place: Place) => Promise<OpenStore>
  /** Rejects where what it needs is not there; it is then left out, with one line. */
  make(place: Place): Promise<Instance>
}

/** What a caller is told whose key is under way, by contenders that do not wait. */
export class InProgress extends Error {
  override readonly name = 'InProgress'
}
