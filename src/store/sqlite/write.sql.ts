import { COLUMNS } from './columns.ts'

/**
 * One compare-and-set, inside a transaction that was begun with BEGIN IMMEDIATE.
 *
 * Inputs: the key's column and the tenant's number (or the record's id where it is known), the expected revision,
 * the next record's columns, the event as text for `early`.
 * Answers: one changed row = applied; none = a conflict, and `SELECT_RECORD` says what is there.
 */
export const INSERT_RECORD: string = `
  INSERT INTO records (${COLUMNS}, early)
  VALUES (${COLUMNS.split(',')
    .map(() => '?')
    .join(', ')}, ?)
  ON CONFLICT (key, tenant) DO NOTHING
`

/** Inputs: the columns from `tool` on, what to add to `early` (or an empty text), then id and expected revision. */
export const UPDATE_RECORD: string = `
  UPDATE records
  SET ${COLUMNS.split(',')
    .slice(3)
    .map((column) => `${column.trim()} = ?`)
    .join(', ')}, early = early || ?
  WHERE id = ? AND revision = ?
`

/** Inputs: id, expected revision. */
export const DELETE_RECORD: string = `DELETE FROM records WHERE id = ? AND revision = ?`

/** Inputs: id of a record that was deleted in the same transaction. */
export const DELETE_HISTORY: string = `DELETE FROM events WHERE record = ?`

/** Inputs: key, tenant. Answers: the id, or no row. */
export const FIND_RECORD: string = `SELECT id FROM records WHERE key = ? AND tenant = ?`

/** Inputs: id. Answers: when the lease ends, for drafts that keep it as it is. */
export const LEASE_OF_RECORD: string = `SELECT lease_until FROM records WHERE id = ?`

/** Inputs: key, tenant. Answers: the record, or no row; another tenant's record is no row. */
export const SELECT_RECORD: string = `SELECT ${COLUMNS} FROM records WHERE key = ? AND tenant = ?`

/** Inputs: record, n, at, transition, from, to, fence, nonce, who, why, openSends. */
export const INSERT_EVENT: string = `
  INSERT INTO events (record, n, at, transition, from_state, to_state, fence, nonce, who, why, open_sends)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
`
