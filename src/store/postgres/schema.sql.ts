import { OPEN_STATES } from '../../engine/index.ts'
import { channelOf, quotedSchema } from './names.ts'
import { literal } from './text.ts'
import { writeFunction, writeSignature } from './write.sql.ts'

/** The partial index of open records serves only queries that say exactly this. */
export const IS_OPEN: string = `state IN (${OPEN_STATES.map((state) => `'${state}'`).join(', ')})`

/** What `meta.application` says, so that another program's table of that name is told apart. */
export const APPLICATION = 'onefold'

/**
 * The steps from an empty schema to today's; a ledger of version n has had the first n of them. Never edit a step that
 * was published: add one. A function whose behaviour changes gets a new name, since older processes still call the old.
 *
 * - `meta`: one row. `floor` counts for every writer: the highest number that was given out before a loss, and of writers
 *   that were not heard of for a month.
 * - `sequence`: store-wide numbers. They are given out without a lock and may jump; what was *committed* stands in
 *   `writers`, one row for each connection that writes, so that no two processes wait for one row. The highest number there
 *   and in `floor` is the ledger's high-water mark; the server logs a SEQUENCE 32 numbers ahead, which would hide a loss.
 * - `records`: `id` is the number at recording. `events` holds the first events as JSON arrays, `early` the number of the
 *   last of them.
 * - `awaited`: keys that somebody waits for. NOTIFY takes a lock of the whole server at commit, so only they are told.
 *   Unlogged: it is a hint.
 * - `outbox`: messages that were committed with an effect and are still to be published. Of the attempts of an operation
 *   only one commits, so `id` needs no constraint, which would make a takeover wait for the transaction of the old owner.
 *   The index is for the order of messages that share a key.
 * - `blobs`: by content alone, until version 2. What lies there is still read; it belongs to nobody, so nothing erases it.
 * - `payloads`: what a record is too large for, by the operation that it belongs to. By its key and not by its record, since
 *   a body is kept before its operation is recorded. Triggers erase it, so that processes of an older version do so too.
 */
export const migrations = (schema: string): readonly string[] => {
  const s = quotedSchema(schema)
  return [
    `
    CREATE TABLE ${s}.meta (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      application text NOT NULL DEFAULT '${APPLICATION}',
      version int NOT NULL,
      ledger text NOT NULL,
      created_at bigint NOT NULL,
      floor bigint NOT NULL DEFAULT 0,
      amnesia_at bigint,
      amnesia text,
      probe text
    );
    CREATE SEQUENCE ${s}.sequence AS bigint;
    CREATE TABLE ${s}.writers (id text PRIMARY KEY, n bigint NOT NULL, seen timestamptz NOT NULL) WITH (fillfactor = 50);
    CREATE TABLE ${s}.records (
      id bigint PRIMARY KEY,
      key text COLLATE "C" NOT NULL,
      tenant text COLLATE "C" NOT NULL,
      tool text COLLATE "C" NOT NULL,
      run text COLLATE "C",
      state text COLLATE "C" NOT NULL,
      revision bigint NOT NULL,
      fence bigint NOT NULL,
      lease_until bigint NOT NULL,
      first_send_at bigint NOT NULL,
      doubt_at bigint NOT NULL,
      created_at bigint NOT NULL,
      updated_at bigint NOT NULL,
      early bigint NOT NULL,
      body text NOT NULL,
      events text NOT NULL,
      UNIQUE (key, tenant)
    );
    CREATE INDEX open_records ON ${s}.records (id) WHERE ${IS_OPEN};
    CREATE INDEX records_of_run ON ${s}.records USING hash (run) WHERE run IS NOT NULL;
    CREATE TABLE ${s}.events (record bigint, n bigint, line text NOT NULL, PRIMARY KEY (record, n));
    CREATE UNLOGGED TABLE ${s}.awaited (key text COLLATE "C" PRIMARY KEY, until bigint NOT NULL);
    CREATE TABLE ${s}.blobs (sha256 text PRIMARY KEY, bytes bytea NOT NULL, stored_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE ${s}.outbox (
      n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      payload text NOT NULL,
      stored_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX outbox_order ON ${s}.outbox (topic, key, n);
    ${writeFunction(s, literal(channelOf(schema)))};
    `,
    `
    CREATE TABLE ${s}.payloads (
      key text COLLATE "C",
      tenant text COLLATE "C",
      sha256 text COLLATE "C",
      bytes bytea NOT NULL,
      stored_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (key, tenant, sha256)
    );
    CREATE FUNCTION ${s}.erase_payloads() RETURNS trigger LANGUAGE plpgsql AS $function$
    BEGIN
      DELETE FROM ${s}.payloads p WHERE p.key = OLD.key AND p.tenant = OLD.tenant;
      RETURN NULL;
    END
    $function$;
    CREATE TRIGGER payloads_of_expired AFTER UPDATE OF state ON ${s}.records FOR EACH ROW
      WHEN (NEW.state = 'expired') EXECUTE FUNCTION ${s}.erase_payloads();
    CREATE TRIGGER payloads_of_deleted AFTER DELETE ON ${s}.records FOR EACH ROW
      EXECUTE FUNCTION ${s}.erase_payloads();
    `,
  ]
}

/** The least that a role needs to serve a ledger: no DDL, no TRUNCATE, nothing outside the schema. */
export const grants = (schema: string, role: string): string => {
  const s = quotedSchema(schema)
  return `
    GRANT USAGE ON SCHEMA ${s} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${s}.records, ${s}.events, ${s}.writers, ${s}.awaited, ${s}.outbox TO ${role};
    GRANT SELECT ON ${s}.blobs TO ${role};
    GRANT SELECT, INSERT, DELETE ON ${s}.payloads TO ${role};
    GRANT SELECT, UPDATE ON ${s}.meta TO ${role};
    GRANT USAGE, SELECT ON ${s}.sequence TO ${role};
    GRANT EXECUTE ON FUNCTION ${writeSignature(s)} TO ${role};
  `
}
