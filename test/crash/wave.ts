import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Downstream } from '../support/downstream.ts'
import type { Cell, ProcessPlan, Wave } from './plan.ts'
import { live, type Life } from './processes.ts'
import type { RunningStore } from './stores/index.ts'
import { partsOf, type Task, type Work } from './task.ts'
import { judge, type Effect, type Verdict } from './verdict.ts'

/** What came of one operation. */
export interface Judged {
  readonly work: Work
  readonly cell: Cell
  readonly verdict: Verdict
}

export interface WaveResult {
  readonly lives: readonly Life[]
  readonly operations: readonly Judged[]
}

/** Lets at most `most` pieces of work run at once. */
export async function side<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: most }, lane))
}

let runs = 0

/** Kills through one wave on one ledger, settles it, and judges every operation. */
export async function runWave(
  wave: Wave,
  program: string,
  downstream: Downstream,
  atOnce: number,
  store: Pick<RunningStore, 'ledger'>,
): Promise<WaveResult> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-crash-'))
  const base = { url: downstream.url, ledger: await store.ledger(folder), spool: join(folder, 'spool') }
  const lives: Life[] = []
  const byCell = new Map<Cell, Life[]>()

  async function runProcess(cell: Cell, plan: ProcessPlan): Promise<void> {
    if (plan.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, plan.delayMs))
    const { concurrent, die, stall, lock } = plan
    const task: Task = {
      ...base,
      run: `run-${(runs += 1)}`,
      works: cell.works,
      concurrent,
      ...(die === undefined ? {} : { die }),
      ...(stall === undefined ? {} : { stall }),
      ...(lock === undefined ? {} : { lock }),
    }
    const life = await live(program, task, plan.kill)
    lives.push(life)
    byCell.set(cell, [...(byCell.get(cell) ?? []), life])
  }

  async function runCell(cell: Cell): Promise<void> {
    for (const [ref, faults] of cell.faults) await downstream.plan(ref, ...faults)
    for (const plans of cell.lives) await Promise.all(plans.map((plan) => runProcess(cell, plan)))
  }

  try {
    await side(wave.cells, atOnce, runCell)
    const settler = await live(program, {
      ...base,
      run: `run-${(runs += 1)}`,
      works: wave.cells.flatMap((cell) => (cell.calledAgain ? cell.works : [])),
      concurrent: true,
      settle: wave.cells.flatMap((cell) => cell.works),
    })
    lives.push(settler)
    const effects = await effectsOf(downstream, wave)
    const operations = wave.cells.flatMap((cell) =>
      cell.works.map((work) => ({
        work,
        cell,
        verdict: judge({
          work,
          cell,
          lives: [...(byCell.get(cell) ?? []), settler],
          effects: partsOf(work).map((part) => effects.get(part) ?? []),
        }),
      })),
    )
    return { lives, operations }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every effect of the wave's references. */
async function effectsOf(downstream: Downstream, wave: Wave): Promise<Map<string, Effect[]>> {
  const refs = wave.cells.flatMap((cell) => cell.works).flatMap(partsOf)
  const list = refs.map((ref) => `'${ref}'`).join(', ')
  const effects = new Map<string, Effect[]>()
  for (const row of await downstream.query(`SELECT n, ref, run FROM effects WHERE ref IN (${list}) ORDER BY n`)) {
    const ref = String(row['ref'])
    const run = (row['run'] as string | null) ?? undefined
    effects.set(ref, [...(effects.get(ref) ?? []), { id: `effect-${String(row['n'])}`, run }])
  }
  return effects
}
