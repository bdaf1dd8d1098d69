/** Inputs: after, window, tenant. Answers: a row per state with its number and the last id of the window. */
export const COUNT_WINDOW = `
  SELECT state, sum($tenant IS NULL OR tenant = $tenant) AS count, max(id) AS last
  FROM (SELECT id, state, tenant FROM records WHERE id > $after ORDER BY id LIMIT $window)
  GROUP BY state
`
