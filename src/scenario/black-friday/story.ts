import { join } from 'node:path'
import { playDay, type DayEnd } from './day.ts'
import { ordersOf } from './orders.ts'

/** Orders under way on an ordinary day; on this one it is 14 times as many. */
const ORDINARY = 4
export const LOAD = 14
/** Single executions do not hang on the load; so many at a time only save waiting. */
const UNHURRIED = 16

export interface BlackFridayOptions {
  readonly orders: number
  readonly seed: number
  /** The program that serves the agent. @default the scripted one, without a framework */
  readonly agentProgram?: string
  /** Where databases and ledger go. */
  readonly folder: string
  /** Told of every order that has ended. */
  readonly onOrder?: (day: 'baseline' | 'without' | 'with', done: number) => void
}

export interface BlackFriday {
  readonly orders: number
  readonly seed: number
  /** One execution of every order, without faults or haste. */
  readonly baseline: DayEnd
  readonly without: DayEnd
  readonly with: DayEnd
  readonly ledger: string
  /** True when the guarded day left what the single executions left, and the bare one did not. */
  readonly held: boolean
}

/** The same day three times. */
export async function blackFriday(options: BlackFridayOptions): Promise<BlackFriday> {
  const { seed, folder, onOrder } = options
  const ledger = join(folder, 'ledger.db')
  const day = (name: 'baseline' | 'without' | 'with'): Promise<DayEnd> =>
    playDay({
      orders: ordersOf(options.orders),
      atOnce: name === 'baseline' ? UNHURRIED : ORDINARY * LOAD,
      seed,
      faults: name !== 'baseline',
      // What one execution leaves behind does not hang on the framework.
      agentProgram: name === 'baseline' ? undefined : options.agentProgram,
      database: join(folder, `${name}.db`),
      ...(name === 'with' ? { ledger } : {}),
      onOrder: (done) => onOrder?.(name, done),
    })
  const baseline = await day('baseline')
  const without = await day('without')
  const guarded = await day('with')
  return {
    orders: options.orders,
    seed,
    baseline,
    without,
    with: guarded,
    ledger,
    held: guarded.state === baseline.state && without.state !== baseline.state,
  }
}
