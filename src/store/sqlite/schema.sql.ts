/** `PRAGMA application_id` of a ledger: the letters `OF1` and a zero byte. */
export const APPLICATION_ID = 0x4f463100

/**
 * The steps from an empty file to today's schema. A file whose `PRAGMA user_version` is n has had the first n of them.
 * Never edit a step that was published: add one.
 *
 * - `meta`: one row. `clock` is the last store time, `sequence` the last number given out; both grow with every transaction.
 * - `names`: tenants, tools and processes, kept once and referred to by number.
 * - `records`: `id` is the store-wide sequence at recording, so it is never used twice. A rowid table with the 32 random
 *   bytes of the key in a UNIQUE index fills faster than one ordered by the key (facts/durable.md 2.2).
 * - `early`: the events of the first writes, as a JSON array without its end. Nearly every operation has no others, and a
 *   second table would cost each write a seventh more of the log.
 * - `open_records`: what sweepers look through; 7 is LAST_OPEN of `states.ts`.
 * - `events`: the later events, and notes. `n` is the store-wide sequence, so the order within a record is that of writing.
 * - `history`: all events, for reading.
 * - `blobs`: by content alone, until schema 2. What lies there is still read; it belongs to nobody, so nothing erases it.
 * - `payloads`: what a record is too large for, by the operation that it belongs to, and erased with what that record says.
 *   By key and not by record, since a body is kept before its operation is recorded.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    file_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    amnesia TEXT,
    probe TEXT
  ) STRICT;

  CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    tenant INTEGER NOT NULL,
    tool INTEGER NOT NULL,
    state INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    write_id TEXT NOT NULL,
    owner INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    recoveries INTEGER NOT NULL,
    open_sends INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    first_send_at INTEGER NOT NULL,
    doubt_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    round INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    reason TEXT,
    run TEXT,
    descriptor TEXT NOT NULL,
    input TEXT,
    outcome TEXT,
    error TEXT,
    rest TEXT,
    early TEXT NOT NULL,
    UNIQUE (key, tenant)
  ) STRICT;

  CREATE INDEX open_records ON records (id) WHERE state <= 7;
  CREATE INDEX records_of_run ON records (run) WHERE run IS NOT NULL;

  CREATE TABLE events (
    record INTEGER NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    transition TEXT NOT NULL,
    from_state INTEGER NOT NULL,
    to_state INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    who INTEGER NOT NULL,
    why TEXT,
    open_sends INTEGER NOT NULL,
    PRIMARY KEY (record, n)
  ) STRICT, WITHOUT ROWID;

  CREATE VIEW history AS
    SELECT records.id AS record, value ->> 0 AS n, value ->> 1 AS at, value ->> 2 AS transition, value ->> 3 AS from_state,
      value ->> 4 AS to_state, value ->> 5 AS fence, value ->> 6 AS nonce, value ->> 7 AS who, value ->> 8 AS why,
      value ->> 9 AS open_sends
    FROM records, json_each(records.early || ']')
    UNION ALL
    SELECT record, n, at, transition, from_state, to_state, fence, nonce, who, why, open_sends FROM events;

  CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    bytes BLOB NOT NULL,
    stored_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE payloads (
    key BLOB NOT NULL,
    tenant INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    UNIQUE (key, tenant, sha256)
  ) STRICT;
  `,
]
