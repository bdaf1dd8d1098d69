import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Downstream, Fault } from '../support/downstream.ts'
import { live } from './processes.ts'
import type { Moment } from './task.ts'
import { side } from './wave.ts'

/** The deaths and losses that leave an effect behind that nobody recorded: the cases in which the usual pattern repeats. */
const CASES: readonly { readonly die?: Moment; readonly killMs?: number; readonly fault?: Fault }[] = [
  { die: { point: 'answered', nth: 1 } },
  { die: { point: 'before-commit', nth: 1 } },
  { killMs: 40, fault: 'stall:150' },
  { fault: 'lose-answer' },
  { fault: 'fail-after' },
  // Dies before its effect: repeating is right, and must not be counted as a duplicate.
  { die: { point: 'marked', nth: 1 } },
]

export interface Control {
  readonly operations: number
  readonly duplicated: number
}

/** The naive pattern through the same deaths: one process dies or loses its answer, the next one comes to an end. */
export async function runControl(
  program: string,
  downstream: Downstream,
  count: number,
  atOnce: number,
): Promise<Control> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-crash-control-'))
  const refs = Array.from({ length: count }, (_, index) => `control-${index}`)
  const task = (ref: string) => ({
    url: downstream.url,
    ledger: join(folder, 'naive.db'),
    spool: '',
    run: ref,
    works: [{ kind: 'manual', prepared: false, ref } as const],
    concurrent: false,
  })
  try {
    await side([...refs.entries()], atOnce, async ([index, ref]) => {
      const { die, killMs, fault } = CASES[index % CASES.length] as (typeof CASES)[number]
      if (fault !== undefined) await downstream.plan(ref, fault)
      const kill = killMs === undefined ? undefined : ({ from: 'go', ms: killMs } as const)
      await live(program, { ...task(ref), ...(die === undefined ? {} : { die }) }, kill)
      if (die !== undefined || kill !== undefined) await live(program, task(ref))
    })
    const rows = await downstream.query(
      "SELECT ref FROM effects WHERE ref LIKE 'control-%' GROUP BY ref HAVING count(*) > 1",
    )
    return { operations: count, duplicated: rows.length }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
