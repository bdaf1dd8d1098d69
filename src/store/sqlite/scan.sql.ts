import { COLUMNS } from './columns.ts'

/**
 * A window over records in order of recording. A filter looks at no more than `window` rows a step, so that a search
 * through a large ledger does not keep writes waiting.
 *
 * Inputs (named): after, window.
 * Answers: rows that pass, and by `WINDOW_END` where the window ended.
 */
const FILTER = `
  ($tenant IS NULL OR tenant = $tenant)
  AND ($tool IS NULL OR tool = $tool)
  AND ($updatedBefore IS NULL OR updated_at <= $updatedBefore)
  AND ($states IS NULL OR state IN (SELECT value FROM json_each($states)))
`

/** Inputs: after, window. Answers: the last id and the number of rows of the window. */
export const WINDOW_END = `
  SELECT max(id) AS last, count(*) AS count FROM (SELECT id FROM records WHERE id > $after ORDER BY id LIMIT $window)
`

/** Inputs: after, last, limit and the filter. */
export const SCAN_ALL = `
  SELECT ${COLUMNS} FROM records
  WHERE id > $after AND id <= $last AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Inputs: after, limit and the filter; only states at most LAST_OPEN. */
export const SCAN_OPEN = `
  SELECT ${COLUMNS} FROM records INDEXED BY open_records
  WHERE id > $after AND state <= 7 AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Inputs: after, run, limit and the filter. */
export const SCAN_RUN = `
  SELECT ${COLUMNS} FROM records INDEXED BY records_of_run
  WHERE run = $run AND id > $after AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Inputs: after, now, limit. Answers: open records whose lease is over, and those accepted (4) or in doubt (5). */
export const SCAN_DUE = `
  SELECT ${COLUMNS} FROM records INDEXED BY open_records
  WHERE id > $after AND state <= 7 AND (lease_until <= $now OR state IN (4, 5))
  ORDER BY id LIMIT $limit
`

/** Inputs: after, window, tenant. Answers: a row per state with its number and the last id of the window. */
export const COUNT_WINDOW = `
  SELECT state, sum($tenant IS NULL OR tenant = $tenant) AS count, max(id) AS last
  FROM (SELECT id, state, tenant FROM records WHERE id > $after ORDER BY id LIMIT $window)
  GROUP BY state
`
