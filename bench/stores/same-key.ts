import { setTimeout as pause } from 'node:timers/promises'
import { percentile } from '../lib.ts'
import type { Contender, Instance, Place } from './contender.ts'
import { commandsOf } from './commands.ts'

/** 64 callers of one key, spread over instances as they would be over processes. */
export interface SameKey {
  readonly contender: Contender
  /** Executions of the effect a trial: 1 is right. */
  readonly executions: number
  /** Share of callers that got the answer, 0 to 1. */
  readonly answered: number
  /** After the effect's end, in milliseconds, over the callers that were answered. */
  readonly delayP50: number
  readonly delayP99: number
  /** Commands (statements, requests) at the store, a trial; NaN where the store does not count. */
  readonly commands: number
}

const CALLERS = 64
const INSTANCES = 4
const FULL_TRIALS = 20
const QUICK_TRIALS = 3

export async function measureSameKey(
  contenders: readonly Contender[],
  place: Place,
  options: { readonly quick: boolean },
): Promise<readonly SameKey[]> {
  const rows: SameKey[] = []
  for (const contender of contenders) {
    // DBOS runs once in a process; a memory belongs to one instance.
    const alone = contender.store === 'memory' || contender.name.startsWith('DBOS')
    const instances: Instance[] = []
    try {
      for (let n = 0; n < (alone ? 1 : INSTANCES); n += 1) instances.push(await contender.make(place))
      rows.push(await trials(contender, instances, place, options.quick ? QUICK_TRIALS : FULL_TRIALS))
    } catch (error) {
      console.error(
        `${contender.name}: 64 callers of one key: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
    for (const instance of instances) await instance.close()
  }
  return rows
}

async function trials(
  contender: Contender,
  instances: readonly Instance[],
  place: Place,
  count: number,
): Promise<SameKey> {
  const delays: number[] = []
  let executions = 0
  let commands = 0
  for (let trial = -1; trial < count; trial += 1) {
    let ended = 0
    let run = 0
    const effect = async (): Promise<unknown> => {
      run += 1
      await pause(150 + 50 * (trial % 4))
      ended = performance.now()
      return { id: trial }
    }
    const key = `one-${contender.name}-${trial}`
    const before = await commandsOf(contender.store, place)
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, async (_, n) => {
        try {
          await (instances[n % instances.length] as Instance).call(key, effect)
          return performance.now()
        } catch {
          return undefined
        }
      }),
    )
    const used = (await commandsOf(contender.store, place)) - before
    // The first trial opens connections.
    if (trial < 0) continue
    executions += run
    commands += used
    for (const at of answers) if (at !== undefined) delays.push(at - ended)
  }
  return {
    contender,
    executions: executions / count,
    answered: delays.length / (CALLERS * count),
    delayP50: percentile(delays, 0.5),
    delayP99: percentile(delays, 0.99),
    commands: commands / count,
  }
}
