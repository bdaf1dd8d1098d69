import type { Row } from '../explore/rows.ts'
import type { Campaign } from './campaign.ts'

const SHOWN = 5

/** What a run came to, each target as its own row. */
export function rowsOf(run: Campaign, wanted: number): readonly Row[] {
  const none = (name: string, found: readonly string[]): Row => ({
    name,
    value: String(found.length),
    target: '0',
    ok: found.length === 0,
    details: found.slice(0, SHOWN),
  })
  const seconds = run.ms / 1_000
  const share = (100 * run.control.duplicated) / Math.max(1, run.control.operations)
  const counts = (map: ReadonlyMap<string, number>): string =>
    Array.from(map, ([name, n]) => `${name} ${n}`)
      .toSorted()
      .join(', ')
  return [
    {
      name: 'processes killed',
      value: `${run.kills} (${run.again} on operations of the dead) of ${run.processes}, ${run.operations} operations, ${seconds.toFixed(1)} s`,
      target: String(wanted),
      ok: run.kills >= wanted,
    },
    none('duplicates', run.faults.duplicate),
    none('lost', run.faults.lost),
    none('wrong answers', run.faults['wrong answer']),
    none('processes that failed or hung', run.broken),
    none('alarms', run.alarms),
    {
      name: 'places of death',
      value: counts(run.deaths),
      target: 'every fault point and at random',
      ok: run.unvisited.length === 0 && run.deaths.has('outside'),
      details: run.unvisited.map((point) => `nobody died at ${point}`),
    },
    { name: 'states at the end', value: counts(run.states), target: '-', ok: true },
    {
      name: 'doubts for a person',
      value: `${run.doubts} (${run.falseDoubts} had not happened)`,
      target: 'manual only',
      ok: true,
    },
    { name: 'answers from the spool', value: String(run.spooled), target: 'at least 1', ok: run.spooled > 0 },
    {
      name: 'naive control duplicates',
      value: `${share.toFixed(0)} % (${run.control.duplicated} of ${run.control.operations})`,
      target: 'more than 30 %',
      ok: share > 30,
    },
  ]
}
