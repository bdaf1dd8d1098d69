import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { median, type Row } from '../lib.ts'

/**
 * Two raw durable commits, in milliseconds: what a protected effect cannot do without. They are to be measured between
 * the calls: one commit after the other in a loop takes a disk a part of the time that each takes after a pause.
 */
export interface Floor {
  measure(): number
  close(): void
}

export function openFloor(folder: string): Floor {
  const db = new DatabaseSync(join(folder, 'floor.db'))
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (k BLOB PRIMARY KEY, v TEXT) WITHOUT ROWID',
  )
  const insert = db.prepare('INSERT INTO t VALUES (randomblob(32), ?)')
  return {
    measure() {
      const start = performance.now()
      insert.run('x'.repeat(500))
      insert.run('x'.repeat(500))
      return performance.now() - start
    },
    close: () => db.close(),
  }
}

/** First calls as they were measured, each with a floor of the same moment; the first ones are those of a fresh process. */
export interface FirstCalls {
  readonly added: number[]
  readonly floor: number[]
}

/**
 * Rounds before the figures begin. A process compiles what it runs often while it runs it, and the two cores of a small
 * machine do that beside the calls: it takes some 600 calls until they no longer get faster.
 */
export const WARM_UP = 600
const FRESH = 100

/** Rows about first calls, which begin with {@link WARM_UP} calls of a fresh process. */
export function firstCallRows(name: string, { added, floor }: FirstCalls, atMost: number): readonly Row[] {
  const row = (what: string, values: readonly number[]): Row => ({
    name: `${name}: ${what}, p50`,
    value: median([...values]),
    unit: 'ms',
  })
  const [addedWarm, floorWarm] = [added.slice(WARM_UP), floor.slice(WARM_UP)]
  return [
    { ...row('added to a first call of a declared write', addedWarm), target: { atMost } },
    row(
      'of that, more than two raw commits of the same moment',
      addedWarm.map((value, at) => value - (floorWarm[at] ?? 0)),
    ),
    row(`added to each of the first ${FRESH} calls of a fresh process`, added.slice(0, FRESH)),
    row('floor: two commits in sequence, between the calls', floorWarm),
  ]
}
