import type { AmnesiaMark, Epoch } from '../../engine/index.ts'
import type { Driver } from './driver.ts'
import { codeOf, withoutMeta } from './failure.ts'
import { quotedSchema } from './names.ts'

/** The highest number that was committed by anybody. */
const HIGHEST = (s: string): string => `greatest(m.floor, coalesce((SELECT max(n) FROM ${s}.writers), 0))`

/**
 * The last number that was given out and the highest that was committed. A sequence gives out before anything is
 * committed, so one that is behind did not come along: a logical replica has none, and a dump may have been restored
 * without it. Its numbers would be those of records that are there.
 */
export async function readNumbers(
  driver: Driver,
  schema: string,
): Promise<{ readonly given: number; readonly written: number }> {
  const s = quotedSchema(schema)
  const [row] = await driver.query(
    `SELECT coalesce(pg_sequence_last_value('${s}.sequence'::regclass), 0)::float8 AS given, ${HIGHEST(s)}::float8 AS written FROM ${s}.meta m`,
    [],
  )
  return { given: Number(row?.['given']), written: Number(row?.['written']) }
}

const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * The ledger's identity: the server's system identifier, its timeline (a fail-over or a restore to a point in time begins
 * a new one), and the ledger's own name. Servers that hide the first two are named by the third alone.
 */
export async function readEpoch(driver: Driver, schema: string): Promise<Epoch> {
  const s = quotedSchema(schema)
  const [row] = await driver.query(
    `SELECT m.ledger, ${HIGHEST(s)}::float8 AS sequence, m.amnesia FROM ${s}.meta m`,
    [],
    true,
  )
  if (row === undefined) throw withoutMeta(`the ledger in the schema ${schema}`)
  const amnesia = row['amnesia'] as string | null
  const server = await serverOf(driver)
  return {
    id: `${server === undefined ? '' : `${server}/`}${String(row['ledger'])}`,
    sequence: Number(row['sequence']),
    amnesia: amnesia === null ? undefined : (JSON.parse(amnesia) as AmnesiaMark),
  }
}

async function serverOf(driver: Driver): Promise<string | undefined> {
  try {
    const [row] = await driver.query(
      `SELECT system_identifier::text AS system, left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline FROM pg_control_system()`,
      [],
    )
    return `${String(row?.['system'])}/${String(row?.['timeline'])}`
  } catch (error) {
    if (codeOf(error) === INSUFFICIENT_PRIVILEGE) return undefined
    throw error
  }
}

const MOST_AT_ONCE = 500_000

/**
 * Sets or lifts the mark. Numbers that were given out before the loss must not be given out again, since fences would
 * repeat; `nextval` can only go forward, whoever else calls it.
 */
export async function saveMark(
  driver: Driver,
  schema: string,
  mark: AmnesiaMark | undefined,
  remembered: number,
): Promise<void> {
  const s = quotedSchema(schema)
  let floor = 0
  if (mark !== undefined) {
    for (let step = 1; ; step = Math.min(remembered - floor, MOST_AT_ONCE)) {
      const [row] = await driver.query(
        `SELECT max(nextval('${s}.sequence'))::float8 AS n FROM generate_series(1, $1::int)`,
        [step],
      )
      floor = Number(row?.['n'])
      if (floor > remembered) break
    }
  }
  await driver.query(
    `WITH durably AS MATERIALIZED (SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true))
     UPDATE ${s}.meta SET amnesia = $1, amnesia_at = $2::float8, floor = greatest(floor, $3::float8::bigint) FROM durably`,
    [mark === undefined ? null : JSON.stringify(mark), mark?.at ?? null, floor],
  )
}

/** The row of `writers` that stands for all that have ended. */
const ENDED = 'ended'

/**
 * Folds the rows of writers that end into one, and those that have not been heard of for a month into the floor. What
 * ended only now may have written after a loss that others are still to notice: in the floor, which counts for every
 * writer, it would hide what theirs have lost.
 */
export async function retireWriters(driver: Driver, schema: string, ids: readonly string[]): Promise<void> {
  const s = quotedSchema(schema)
  await driver.query(
    `WITH own AS (DELETE FROM ${s}.writers WHERE id IN (SELECT json_array_elements_text($1::text::json)) RETURNING n)
     INSERT INTO ${s}.writers AS w (id, n, seen) SELECT '${ENDED}', max(n), now() FROM own HAVING max(n) IS NOT NULL
     ON CONFLICT (id) DO UPDATE SET n = greatest(w.n, excluded.n), seen = excluded.seen`,
    [JSON.stringify(ids)],
  )
  await driver.query(
    `WITH gone AS (DELETE FROM ${s}.writers WHERE seen < now() - interval '30 days' RETURNING n)
     UPDATE ${s}.meta SET floor = greatest(floor, (SELECT max(n) FROM gone)) WHERE EXISTS (SELECT FROM gone)`,
    [],
  )
}
