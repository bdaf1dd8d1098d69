import { randomBytes } from 'node:crypto'
import { OnefoldError } from '../../error/index.ts'
import type { PlannedFault } from './faults.ts'
import type { AttemptEnd, LifeHandle, RunNames } from './local-life.ts'
import type { Settlement } from './settle-guards.ts'
import { stateText } from './state-text.ts'
import { createSites, type Pace, type Sites } from './sites.ts'
import { settingsFor } from './life-guard.ts'

/** How a disturbed run ended. */
export interface Ended {
  /** The end state, with this run's own names masked. */
  readonly state: unknown
  /** The state that an undisturbed run began with; undefined where there was nothing to look at yet. */
  readonly before: unknown
  readonly reached: readonly string[]
  readonly fired: readonly PlannedFault[]
  readonly executions: number
  readonly processes: number
  readonly doubts: readonly string[]
  /** True when a person settled something: what is confirmed without its result is told as an error to whoever calls again. */
  readonly asked: boolean
  /** Why the last execution failed, where none succeeded. */
  readonly never: string | undefined
  /** True when an execution went on for longer than anybody waits. */
  readonly stuck: boolean
  readonly pace: Pace
  /** The state, looked at anew. */
  again(): Promise<unknown>
}

/** Where the processes of a run come from. */
export interface Host {
  begin(sites: Sites, names: RunNames, number: number): Promise<LifeHandle>
}

export interface World {
  readonly host: Host
  readonly reset: () => Promise<void>
  readonly snapshot: (names: RunNames) => Promise<unknown>
  /** True when a run's effects are gone once the next one begins. */
  readonly forgets: boolean
  /** How long one execution is waited for, and what goes on behind it. @default 60,000 */
  readonly timeoutMs?: number | undefined
  /** What undisturbed runs took. */
  readonly pace?: Pace
}

const SETTLE_MS = 2_000
const TIMEOUT_MS = 60_000
const MOST_EXECUTIONS = 8
const BEHIND = 'what the workflow had begun'

/** No two runs meet, also not those of another process that has the same id, as in containers, or of another copy of this. */
const token = randomBytes(4).toString('hex')
let runs = 0

/**
 * One run with its faults: the workflow, retried from outside with the same run id until it succeeds, in as many
 * processes as its crashes need; then settled, and the end state taken.
 */
export async function runScenario(world: World, plan: readonly PlannedFault[]): Promise<Ended> {
  const unique = `cz${token}x${(++runs).toString(36)}`
  const names = { runId: `run-${unique}`, unique }
  const sites = createSites(plan, { counts: {}, fired: [], skewMs: 0, pace: world.pace })
  const { timeoutMs = TIMEOUT_MS } = world
  const patienceMs = Math.max(timeoutMs, TIMEOUT_MS)
  const look = async (): Promise<unknown> => masked(await world.snapshot(names), unique)
  const inTime = <T>(hook: 'reset' | 'snapshot', work: Promise<T>): Promise<T> => hookInTime(hook, patienceMs, work)
  await inTime('reset', world.reset())
  const blind = async (): Promise<unknown> => await look().catch(() => undefined)
  const before = plan.length === 0 ? await inTime('snapshot', blind()) : undefined
  const buried: LifeHandle[] = []
  let executions = 0
  let processes = 1
  let never: string | undefined = 'its process ended before it did'
  let stuck = false
  let asked = false
  // What is taken over is looked up, or sent again, and answered.
  const { leaseMs, quarantineMs } = settingsFor(world.pace)
  const settleMs = SETTLE_MS + leaseMs + 2 * quarantineMs
  let life = await begun()

  /** A process; where a fault kept it from beginning, the next one, as whatever starts it would. */
  async function begun(): Promise<LifeHandle> {
    for (let left = MOST_EXECUTIONS; ; left -= 1) {
      const struck = sites.fired.length
      try {
        const one = await within(patienceMs, world.host.begin(sites, names, processes))
        if (one !== undefined) return one
      } catch (error) {
        if (sites.fired.length === struck || left === 0) throw error
        processes += 1
        continue
      }
      throw invalid(`A process had not begun after ${patienceMs / 1000} s: open does not come back.`)
    }
  }

  async function reborn(): Promise<void> {
    buried.push(life)
    processes += 1
    life = await begun()
  }

  /** Undefined where something behind the workflow never ends. */
  async function settle(): Promise<Settlement | 'crashed' | undefined> {
    return await within(timeoutMs + settleMs, life.settle(settleMs))
  }

  async function execute(): Promise<AttemptEnd | undefined> {
    const twice = sites.reach('run', 'started').fault === 'duplicate'
    const attempts = Array.from({ length: twice ? 2 : 1 }, () => life.attempt(++executions))
    const ends = await within(timeoutMs, Promise.all(attempts))
    return ends?.find(({ kind }) => kind === 'done') ?? ends?.find(({ kind }) => kind === 'crashed') ?? ends?.at(-1)
  }

  /** It hangs, and would hang again however often it were tried. */
  async function giveUp(what = 'it'): Promise<void> {
    never = `${what} had not ended after ${timeoutMs / 1000} s`
    stuck = true
    await life.abandon()
  }

  async function untilDone(most: number): Promise<void> {
    for (let left = most; left > 0; left -= 1) {
      const end = await execute()
      if (end === undefined) return await giveUp()
      if (end.kind === 'crashed') await reborn()
      if (end.kind === 'failed') {
        never = end.why
        // A doubt that recovers by itself is settled between two retries of a patient caller.
        const settled = await settle()
        if (settled === undefined) return await giveUp(BEHIND)
        if (settled === 'crashed') await reborn()
        else asked ||= settled.asked
      }
      if (end.kind !== 'done') continue
      never = undefined
      const { fault } = sites.reach('run', 'answered')
      if (fault === 'crash-after') {
        await life.end()
        await reborn()
      } else if (fault !== 'lost-answer') return
    }
  }

  await untilDone(MOST_EXECUTIONS)
  let doubts: readonly string[] = []
  for (let round = 0; round < 3 && !stuck; round += 1) {
    const settled = await settle()
    if (settled === undefined) {
      await giveUp(BEHIND)
      break
    }
    if (settled === 'crashed') {
      await reborn()
      await untilDone(2)
      continue
    }
    doubts = settled.doubts
    asked ||= settled.asked
    if (settled.unfinished) {
      // What waits for the end of its first owner goes on in a process of its own.
      await life.end()
      await reborn()
      if (never !== undefined) await untilDone(2)
    } else if (settled.asked) await untilDone(2)
    else break
  }
  let state: unknown
  try {
    state = await inTime('snapshot', look())
  } finally {
    if (!stuck) await life.end()
    for (const one of buried) await one.end()
  }
  return {
    state,
    before,
    reached: sites.reached,
    fired: sites.fired,
    executions,
    processes,
    doubts,
    asked,
    never,
    stuck,
    pace: { requestMs: sites.slowest.http || sites.slowest.tool, toolMs: sites.slowest.tool },
    again: () => inTime('snapshot', look()),
  }
}

async function hookInTime<T>(hook: 'reset' | 'snapshot', ms: number, work: Promise<T>): Promise<T> {
  const ended = await within(
    ms,
    work.then((value) => ({ value })),
  )
  if (ended === undefined) throw invalid(`${hook} had not ended after ${ms / 1000} s.`)
  return ended.value
}

/** Undefined when it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)))
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The state as JSON data, in which this run's own name is not to be seen. */
function masked(state: unknown, unique: string): unknown {
  return JSON.parse(stateText('snapshot', state).replaceAll(unique, '*'))
}

const invalid = (message: string): OnefoldError => new OnefoldError('INPUT_INVALID', message)
