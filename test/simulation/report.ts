import type { Batch } from './batch.ts'
import { missed, SOMETIMES } from './sometimes.ts'

/** One target as every command that measures prints it. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly target: string
  readonly ok: boolean
}

const ENDS = [
  'committed',
  'in-doubt',
  'rejected',
  'released',
  'abandoned',
  'compensated',
  'compensating',
  'expired',
  'accepted',
]
/** From so many schedules on the rare paths must have been taken. */
const LONG = 20_000

/** The targets of a run: no promise broken, every path taken, and not everything a doubt. */
export function rowsOf(batch: Batch, ms: number): readonly Row[] {
  const { coverage, schedules } = batch
  const count = (what: string): number => coverage[what] ?? 0
  const ended = ENDS.reduce((sum, state) => sum + count(`end:${state}`), 0)
  const share = (state: string): number => Math.round((count(`end:${state}`) / Math.max(1, ended)) * 1000) / 10
  const crashes = Object.keys(coverage)
    .filter((what) => what.startsWith('crash:'))
    .reduce((sum, what) => sum + count(what), 0)
  const rate = Math.round((schedules / Math.max(1, ms)) * 1000)
  const never = missed(coverage).length
  return [
    { name: 'schedules', value: schedules, target: '-', ok: true },
    { name: 'schedules per second', value: rate, target: '-', ok: true },
    { name: 'crashes injected', value: crashes, target: '> 0', ok: crashes > 0 },
    { name: 'promises broken', value: batch.failures.length, target: '0', ok: batch.failures.length === 0 },
    {
      name: `of ${SOMETIMES.length} things that must sometimes happen, never`,
      value: never,
      target: '0',
      ok: never === 0 || schedules < LONG,
    },
    {
      name: '% of operations that end committed',
      value: share('committed'),
      target: '>= 60',
      ok: share('committed') >= 60,
    },
    {
      name: '% of operations that end in doubt',
      value: share('in-doubt'),
      target: '1 .. 25',
      ok: share('in-doubt') >= 1 && share('in-doubt') <= 25,
    },
  ]
}

export function tableOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows
    .map(
      ({ name, value, target, ok }) =>
        `${name.padEnd(width)}  ${String(value).padStart(10)}  ${target.padStart(8)}  ${ok ? 'ok' : 'short'}`,
    )
    .join('\n')
}
