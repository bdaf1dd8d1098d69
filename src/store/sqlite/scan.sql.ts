import { COLUMNS } from './columns.ts'

/**
 * Records in order of recording, from behind an id. A filter without an index looks at one window of ids a step, so that
 * a search through a large ledger does not keep writes waiting.
 *
 * Inputs (named): after, last (the end of the window), limit, and what is filtered by, null for no matter.
 * Answers: rows that pass.
 */
const FILTER = `
  ($tenant IS NULL OR tenant = $tenant)
  AND ($tool IS NULL OR tool = $tool)
  AND ($run IS NULL OR run = $run)
  AND ($updatedBefore IS NULL OR updated_at <= $updatedBefore)
  AND ($states IS NULL OR state IN (SELECT value FROM json_each($states)))
`

/** Keys that begin alike lie side by side in up to three ranges: digests of 32 bytes, and two kinds of other texts. */
const KEYS = `(
  (key >= $low AND key < $high AND length(key) = 32)
  OR (key >= $textLow AND key < $textHigh AND length(key) <> 32)
  OR (key >= $otherLow AND key < $otherHigh AND length(key) <> 32)
)`

/** Inputs: after, window. Answers: the last id and the number of rows of the window. */
export const WINDOW_END: string = `
  SELECT max(id) AS last, count(*) AS count FROM (SELECT id FROM records WHERE id > $after ORDER BY id LIMIT $window)
`

export const SCAN_ALL: string = `
  SELECT ${COLUMNS} FROM records NOT INDEXED
  WHERE id > $after AND id <= $last AND ${FILTER}
  ORDER BY id LIMIT $limit
`

export const SCAN_KEYS_IN_WINDOW: string = `
  SELECT ${COLUMNS} FROM records NOT INDEXED
  WHERE id > $after AND id <= $last AND ${KEYS} AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Through the index of keys, without a window: for prefixes that few keys have. */
export const SCAN_KEYS: string = `
  SELECT ${COLUMNS} FROM records
  WHERE ${KEYS} AND +id > $after AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Only states at most LAST_OPEN, through their index. */
export const SCAN_OPEN: string = `
  SELECT ${COLUMNS} FROM records INDEXED BY open_records
  WHERE id > $after AND state <= 7 AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** One run, through its index. */
export const SCAN_RUN: string = `
  SELECT ${COLUMNS} FROM records INDEXED BY records_of_run
  WHERE run = $run AND id > $after AND ${FILTER}
  ORDER BY id LIMIT $limit
`

/** Inputs: after, now, limit. Answers: open records whose lease is over, and those accepted (4) or in doubt (5). */
export const SCAN_DUE: string = `
  SELECT ${COLUMNS} FROM records INDEXED BY open_records
  WHERE id > $after AND state <= 7 AND (lease_until <= $now OR state IN (4, 5))
  ORDER BY id LIMIT $limit
`
