import { FAULT_POINTS } from '../../src/engine/index.ts'
import { startDownstream } from '../support/downstream.ts'
import { build } from './build.ts'
import { runControl, type Control } from './control.ts'
import { plans } from './plan.ts'
import type { CrashStore } from './stores/index.ts'
import { sqlite } from './stores/sqlite.ts'
import { runWave, type Judged } from './wave.ts'
import type { Fault } from './verdict.ts'

export interface CampaignOptions {
  readonly kills: number
  readonly seed: number
  /** @default the embedded store */
  readonly store?: CrashStore
  /** Told the kills so far, now and then. */
  readonly progress?: (kills: number) => void
}

export interface Campaign {
  readonly kills: number
  /** Kills of processes that had found the operations of dead ones. */
  readonly again: number
  readonly processes: number
  readonly operations: number
  readonly faults: Readonly<Record<Fault, readonly string[]>>
  /** Processes that failed or hung, by what they complained of. */
  readonly broken: readonly string[]
  /** Deaths by place; `outside` for kills at random. */
  readonly deaths: ReadonlyMap<string, number>
  /** Where nobody died although somebody should have. */
  readonly unvisited: readonly string[]
  readonly states: ReadonlyMap<string, number>
  readonly doubts: number
  readonly falseDoubts: number
  readonly spooled: number
  readonly alarms: readonly string[]
  readonly control: Control
  readonly ms: number
}

const KILLS_A_WAVE = 26
const WAVES_AT_ONCE = 2
const CELLS_AT_ONCE = 3
const MOST_BROKEN = 20
/** Some cells lock the ledger on purpose. */
const EXPECTED_ALARM =
  /held the ledger .* locked|gave no answer within|canceling statement due to lock timeout|DynamoDB (is throttling|gave no answer)/

/** Kills processes until there were enough kills, with the naive control beside them; undefined where the store cannot run. */
export async function campaign({
  kills: wanted,
  seed,
  store = sqlite,
  progress,
}: CampaignOptions): Promise<Campaign | undefined> {
  const startedAt = performance.now()
  const started = await store.start()
  if (started === undefined) return undefined
  const running = started
  const built = await build(store)
  const downstream = await startDownstream()
  const faults: Record<Fault, string[]> = { duplicate: [], lost: [], 'wrong answer': [] }
  const broken: string[] = []
  const alarms: string[] = []
  const deaths = new Map<string, number>()
  const states = new Map<string, number>()
  let [kills, again, processes, operations, doubts, falseDoubts, spooled] = [0, 0, 0, 0, 0, 0, 0]
  const count = (map: Map<string, number>, name: string): void => void map.set(name, (map.get(name) ?? 0) + 1)

  function book({ work, cell, verdict }: Judged): void {
    operations += 1
    count(states, verdict.state)
    if (verdict.doubt) doubts += 1
    if (verdict.falseDoubt) falseDoubts += 1
    const about = `seed ${seed}, ${cell.name}: ${work.kind}${work.prepared ? ' (prepared)' : ''} ${work.ref}`
    for (const [kind, what] of verdict.faults)
      faults[kind].push(`${about}: ${what}; ${JSON.stringify(cell.lives)} ${JSON.stringify([...cell.faults])}`)
  }

  const waves = plans(seed, Math.min(KILLS_A_WAVE, wanted))
  async function lane(): Promise<void> {
    // A program that cannot run kills nothing, however often it is tried.
    while (kills < wanted && broken.length < MOST_BROKEN) {
      const wave = waves.next().value
      const result = await runWave(wave, built.child, downstream, CELLS_AT_ONCE, running)
      const seen = new Set<string>()
      for (const life of result.lives) {
        processes += 1
        const ops = life.task.works.map(({ ref }) => ref)
        if (life.end === 'killed') {
          kills += 1
          count(deaths, life.point ?? 'outside')
          if (ops.some((ref) => seen.has(ref))) again += 1
          for (const ref of ops) seen.add(ref)
        }
        if (life.end === 'failed' || life.end === 'hung') broken.push(`${life.end}: ${life.complaint.slice(0, 2_000)}`)
        for (const line of life.lines) {
          if (line.type === 'alarm' && !EXPECTED_ALARM.test(line.message)) alarms.push(line.message)
          if (line.type === 'spooled') spooled += 1
        }
      }
      result.operations.forEach(book)
      progress?.(kills)
    }
  }

  try {
    const beside = runControl(built.naive, downstream, Math.max(30, Math.round(wanted / 10)), 1)
    await Promise.all(Array.from({ length: wanted > KILLS_A_WAVE ? WAVES_AT_ONCE : 1 }, lane))
    const control = await beside
    return {
      kills,
      again,
      processes,
      operations,
      faults,
      broken,
      deaths,
      unvisited: FAULT_POINTS.filter((point) => !deaths.has(point)),
      states,
      doubts,
      falseDoubts,
      spooled,
      alarms,
      control,
      ms: performance.now() - startedAt,
    }
  } finally {
    await downstream.close()
    built.remove()
    await running.close()
  }
}
