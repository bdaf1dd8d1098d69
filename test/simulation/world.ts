import type { Downstream } from './downstream.ts'
import type { Engine } from './engine.ts'
import type { Ledgerkeeper } from './watch.ts'
import type { Plan } from './plan.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { Coverage } from './coverage.ts'
import type { SimSpool } from './spool.ts'
import type { Call, Told } from './told.ts'
import type { Truth } from './truth.ts'
import type { Mutation } from './mutants.ts'

/** A machine: its processes share a boot clock, a wall clock and a spool. */
export interface Host {
  readonly name: string
  readonly bootOffset: number
  wallOffset: number
  readonly spool: SimSpool
}

/** Everything of one schedule. */
export interface World {
  readonly plan: Plan
  readonly random: Random
  readonly scheduler: Scheduler
  readonly truth: Truth
  readonly downstream: Downstream
  readonly keeper: Ledgerkeeper
  readonly told: Told
  readonly coverage: Coverage
  readonly hosts: readonly Host[]
  /** Every process that there was, dead ones too. */
  readonly engines: Engine[]
  readonly mutation: Mutation
  /** Calls whose callers have not heard. */
  readonly waiting: Set<Call>
  /** No more faults: from here on everything must settle. */
  quiet: boolean
  crashesLeft: number
  storeDown: boolean
  diskFull: boolean
  frozenUntil: number
  storeOffset: number
}

/** True with this probability, and never once the world is quiet. */
export const happens = (world: World, probability: number): boolean => !world.quiet && world.random.chance(probability)
