/** Answers: one row. */
export const SELECT_META = `SELECT sequence, clock, file_id, created_at, amnesia FROM meta`

/** Read at the start of every write transaction: another process may have moved on. Answers: one row. */
export const SELECT_POSITION = `SELECT sequence, clock, amnesia FROM meta`

/** Once per transaction. Inputs: sequence, clock. */
export const UPDATE_META = `UPDATE meta SET sequence = ?, clock = ?`

/** Inputs: a store time that was shown. */
export const RAISE_CLOCK = `UPDATE meta SET clock = max(clock, ?)`

/** Inputs: the mark as JSON, or null to lift it. */
export const UPDATE_AMNESIA = `UPDATE meta SET amnesia = ?`

/** Inputs: any text; `doctor` writes it and reads it back. */
export const UPDATE_PROBE = `UPDATE meta SET probe = ?`
export const SELECT_PROBE = `SELECT probe FROM meta`
