import type { Outcome, Processes, Settings, Spool, Store } from '../../src/engine/index.ts'
import type { OperationRecord } from '../../src/engine/record.ts'
import type { Write, WriteAnswer } from '../../src/engine/store.ts'
import type { Engine } from './engine.ts'
import type { Process } from './life.ts'
import type { Call } from './told.ts'
import type { Input } from './tools.ts'
import type { StoreFaults, Truth } from './truth.ts'
import type { World } from './world.ts'

/** A fault that is put between the engine and its world; production is never edited. */
export interface Mutation {
  readonly settings?: Partial<Settings>
  readonly truth?: StoreFaults
  readonly bootMs?: (now: number) => number | undefined
  readonly write?: (truth: Truth, write: Write) => WriteAnswer
  readonly staleRead?: (world: World, key: string, tenant: string) => { readonly record: OperationRecord | undefined } | undefined
  readonly store?: (store: Store, process: Process) => Store
  readonly spool?: (spool: Spool, process: Process) => Spool
  readonly processes?: (processes: Processes) => Processes
  readonly perform?: (perform: () => Promise<Outcome>, call: Call, input: Input, engine: Engine) => Promise<Outcome>
}

export const NO_MUTATION: Mutation = {}
