import { PAGE_BYTES, type ListQuery } from '../../engine/index.ts'
import { COLUMNS, NOW } from './columns.ts'
import { IS_OPEN } from './schema.sql.ts'
import { toColumn } from './text.ts'

/** A statement and its values. */
export interface Scan {
  readonly text: string
  readonly values: readonly unknown[]
}

/** A beginning that few keys share. */
const NARROW = 8

/**
 * Records in order of recording, from behind an id, until the page is full; at least one, where there is one. `found` is
 * how many there are, up to one more than `limit`, which tells that there are more. Every row carries the store's now as
 * `at`; with no record at all there is one row with that alone. The lengths cost no reading of what is stored aside.
 */
function scan(schema: string, conditions: readonly string[], values: unknown[], limit: number, from: string): Scan {
  values.push(limit + 1)
  const where = conditions.length === 0 ? 'true' : conditions.join(' AND ')
  return {
    text: `
      SELECT ${NOW}::float8 AS at, page.* FROM (SELECT 1) AS one LEFT JOIN (
        SELECT ${COLUMNS}, found::int FROM (
          SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before, count(*) OVER () AS found FROM (
            SELECT * FROM ${from.replaceAll('$schema', schema)} AS candidates WHERE ${where} ORDER BY candidates.id LIMIT $${values.length}
          ) AS first
        ) AS measured WHERE bytes_before < ${PAGE_BYTES}
      ) AS page ON true ORDER BY page.id`,
    values,
  }
}

export function scanList(schema: string, query: ListQuery, limit: number): Scan {
  const { tenant, states, tool, run, keyPrefix, updatedBefore, after = '0' } = query
  const values: unknown[] = []
  const conditions: string[] = []
  const put = (value: unknown): string => `$${values.push(value)}`
  conditions.push(`id > ${put(after)}::bigint`)
  if (tenant !== undefined) conditions.push(`tenant = ${put(toColumn(tenant))}`)
  if (tool !== undefined) conditions.push(`tool = ${put(toColumn(tool))}`)
  if (run !== undefined) conditions.push(`run = ${put(toColumn(run))}`)
  if (updatedBefore !== undefined) conditions.push(`updated_at <= ${put(updatedBefore)}::float8`)
  if (states !== undefined) {
    const list = put(JSON.stringify(states))
    conditions.push(`state IN (SELECT json_array_elements_text(${list}::text::json))`)
    // Said as the index says it, so that a search for doubts does not read the whole ledger.
    if (states.every((state) => IS_OPEN.includes(`'${state}'`))) conditions.push(IS_OPEN)
  }
  let from = '$schema.records'
  if (keyPrefix !== undefined) {
    const low = toColumn(keyPrefix)
    const range = `starts_with(key, ${put(low)}) AND key >= ${put(low)}`
    // OFFSET keeps the planner from looking for a narrow range along the order of recording.
    if (keyPrefix.length >= NARROW) from = `(SELECT * FROM $schema.records WHERE ${range} OFFSET 0)`
    else conditions.push(range)
  }
  return scan(schema, conditions, values, limit, from)
}

/** Open records whose lease is over, and those that wait to be settled. */
export function scanDue(schema: string, after: string, limit: number): Scan {
  const conditions = ['id > $1::bigint', IS_OPEN, `(lease_until <= ${NOW} OR state IN ('in-doubt', 'accepted'))`]
  return scan(schema, conditions, [after], limit, '$schema.records')
}

export function scanClosed(schema: string, after: string, limit: number): Scan {
  return scan(schema, ['id > $1::bigint', `NOT (${IS_OPEN})`], [after], limit, '$schema.records')
}
