/**
 * Inputs: key, tenant, sha256, bytes, now, key, tenant, the number of the state `expired`. A second put changes nothing, and
 * beside a tombstone nothing is kept. Before Node 24 no bytes are bound as NULL.
 */
export const INSERT_BLOB = `INSERT INTO payloads (key, tenant, sha256, bytes, stored_at) SELECT ?, ?, ?, coalesce(?, x''), ?
  WHERE NOT EXISTS (SELECT 1 FROM records WHERE key = ? AND tenant = ? AND state = ?) ON CONFLICT DO NOTHING`

/** Inputs: key, tenant, sha256. Answers: the bytes, or no row. */
export const SELECT_BLOB = `SELECT bytes FROM payloads WHERE key = ? AND tenant = ? AND sha256 = ?`

/** Inputs: sha256. Answers: the bytes as schema 1 stored them, or no row. */
export const SELECT_OLD_BLOB = `SELECT bytes FROM blobs WHERE sha256 = ?`

/** Inputs: key, tenant. In the transaction that deletes the record, or makes it a tombstone. */
export const DELETE_BLOBS = `DELETE FROM payloads WHERE key = ? AND tenant = ?`
