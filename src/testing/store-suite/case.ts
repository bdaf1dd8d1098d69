import type { Store } from '../../engine/index.ts'
import type { Bench } from './bench.ts'

/** Something that can be done to a store from outside, besides closing it. */
export type Means = Exclude<keyof StoreUnderTest, 'store' | 'close'>

/** A store under test, with what can be done to it from outside. */
export interface StoreUnderTest {
  /** Already open. */
  readonly store: Store
  /** Ends the store as a killed process would, and opens another one on the same data. */
  readonly crash?: () => Promise<Store>
  /** A second store on the same data, as another process would have it; the first one may be closed. Closed at the end. */
  readonly another?: () => Promise<Store>
  /** Steps the wall clock that the store's clock follows. */
  readonly stepClock?: (ms: number) => void
  /** Makes writes impossible (a lock, a full disk, lost rights) until the returned function is called. */
  readonly obstruct?: () => Promise<() => Promise<void>>
  /** Everything that the backend holds for its ledger, as text; bytes as hex or base64. What is erased must not be in it. */
  readonly contents?: () => Promise<string>
  /** Closes everything and removes the data. */
  readonly close: () => Promise<void>
}

/** One thing a store must do. */
export interface Case {
  readonly group: string
  readonly name: string
  /** Means without which the case cannot be run. */
  readonly needs?: readonly Means[]
  /** True for a case that wants the store for itself. @default false */
  readonly alone?: boolean
  readonly run: (bench: Bench) => Promise<void>
}

/** Cases of one group. */
export function group(name: string, cases: readonly Omit<Case, 'group'>[]): readonly Case[] {
  return cases.map((one) => ({ ...one, group: name }))
}
