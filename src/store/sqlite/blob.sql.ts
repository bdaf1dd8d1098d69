/** Inputs: sha256, bytes, now. Content-addressed, so a second put changes nothing. Before Node 24 no bytes are bound as NULL. */
export const INSERT_BLOB = `INSERT INTO blobs (sha256, bytes, stored_at) VALUES (?, coalesce(?, x''), ?) ON CONFLICT DO NOTHING`

/** Inputs: sha256. Answers: the bytes, or no row. */
export const SELECT_BLOB = `SELECT bytes FROM blobs WHERE sha256 = ?`
