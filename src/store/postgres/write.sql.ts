import type { Item, Row } from './columns.ts'
import { NOW } from './columns.ts'
import { literal } from './text.ts'
import type { Writer } from './writers.ts'

/** Events lie in the record's own row up to here, since nearly every operation has few; later ones in `events`. */
const EARLY_BYTES = 2_000

const SIGNATURE = 'text[], text[], text[], text[], text[], text[], text[], bigint[], text, bigint, boolean, int'

/** The function's name and types, for rights. */
export const writeSignature = (schema: string): string => `${schema}.write(${SIGNATURE})`

/** Numbers of an item, side by side in one array. */
const NUMBERS = ['expect', 'fence', 'lease', 'first_send', 'doubt', 'created', 'event_fence', 'tell'] as const
const numberAt = (name: (typeof NUMBERS)[number]): string => `numbers[base + ${NUMBERS.indexOf(name) + 1}]`

/** Who writes, and how. */
export interface WriteTerms {
  /** What this process remembers of its writers, the one that writes first. */
  readonly remembered: readonly Readonly<Writer>[]
  /** @see writeFunction */
  readonly strict: boolean
  readonly patienceMs: number
}

/** The statement of the hot path, for `schema` and what goes into it; `writers` is how many are remembered. */
export const writeStatement = (schema: string, writers: number): string =>
  statement(
    schema,
    writers,
    Array.from({ length: 7 }, (_, n) => `$${n + 1}::text::text[]`),
    ['$8::text::bigint[]', '$9::text::text[]', '$10::text::bigint[]', '$11::boolean', '$12::int'],
  )

export const writeValues = (
  items: readonly Item[],
  { remembered, strict, patienceMs }: WriteTerms,
): readonly unknown[] => [...arraysOf(items), ...memoryOf(remembered), strict, patienceMs]

/** The same as one text, for a transaction that ends in the same message. */
export function writeScript(schema: string, items: readonly Item[], terms: WriteTerms): string {
  const columns = arraysOf(items).map(literal)
  const numbers = columns.pop() as string
  const [ids, acked] = memoryOf(terms.remembered).map(literal) as [string, string]
  const { strict, patienceMs } = terms
  return statement(schema, terms.remembered.length, columns, [
    numbers,
    `${ids}::text[]`,
    `${acked}::bigint[]`,
    String(strict),
    String(patienceMs),
  ])
}

/**
 * `lost` is what the ledger has of a writer of this process that was acknowledged more: records were lost. That is told
 * until the mark is set: the step then counts under another name, since an answer that gets lost would take the evidence
 * with it. All writers of the process are looked at, for the next step may be another one's. One by one, since the server
 * keeps the plan then: with a join over the array it makes a new one for each step, which takes as long as the step.
 *
 * A tool may have made its transaction keep one snapshot. What others of the process were acknowledged since is not in it,
 * and no loss: there the step's own writer alone is looked at, and counts under its own name, so that a row which is newer
 * than the snapshot is an error of the server.
 */
function statement(
  schema: string,
  writers: number,
  columns: readonly string[],
  [numbers, ids, acked, strict, patience]: readonly string[],
): string {
  const lostBy = Array.from({ length: writers }, (_, n) => {
    const has = `greatest(m.floor, (SELECT w.n FROM ${schema}.writers w WHERE w.id = m.ids[${n + 1}]))`
    return `CASE WHEN ${n === 0 ? '' : 'NOT m.fixed AND '}${has} < m.acked[${n + 1}] THEN ${has}::float8 END`
  })
  return `SELECT step.*, memory.lost FROM (SELECT m.*, least(${lostBy.join(', ')}) AS lost FROM
     (SELECT floor, ${ids} AS ids, ${acked} AS acked, current_setting('transaction_isolation') IN ('repeatable read',
       'serializable') AS fixed FROM ${schema}.meta OFFSET 0) AS m OFFSET 0) AS memory,
   LATERAL ${schema}.write(${columns.join(', ')}, ${numbers},
     CASE WHEN memory.lost IS NULL OR memory.fixed THEN memory.ids[1] ELSE concat(memory.ids[1], ' after a loss') END,
     memory.acked[1], ${strict}, ${patience}) AS step`
}

const memoryOf = (remembered: WriteTerms['remembered']): readonly [ids: string, acked: string] => [
  `{${remembered.map(({ id }) => id).join()}}`,
  `{${remembered.map(({ acked }) => acked).join()}}`,
]

function arraysOf(items: readonly Item[]): readonly string[] {
  const column = (pick: (item: Item) => string | null): string => `{${items.map((item) => element(pick(item))).join()}}`
  return [
    column(({ key }) => key),
    column(({ tenant }) => tenant),
    column(({ tool }) => tool),
    column(({ run }) => run),
    column(({ state }) => state),
    column(({ body }) => body),
    column(({ event }) => event),
    `{${items.flatMap((item) => NUMBERS.map((name) => item[name])).join()}}`,
  ]
}

const SPECIAL = /["\\]/g

const element = (text: string | null): string => (text === null ? 'NULL' : `"${text.replaceAll(SPECIAL, '\\$&')}"`)

/** The record that a conflict shows, as a row. */
export const foundIn = (row: Row): Row | undefined =>
  row['shown'] === null ? undefined : (JSON.parse(row['shown'] as string) as Row)

/**
 * The one step that changes operations, as a function of the server, so that each statement in it sees what was
 * committed before it: a conflict always shows the record that won. Arrays, and scalars inside: JSON would cost a small
 * batch as much as its insert.
 *
 * Inputs: items, column by column (see {@link Item}; `lease` -1 keeps the lease, a moment of -1 is now, no `body`
 * deletes); `writer`, who writes (one connection at a time); `acked`, the highest number that this writer was ever
 * acknowledged; `strict`, `patience`.
 * Answers: one row an item, in order. `applied`; `at` the store's now; `number` the new sequence (0 for a conflict);
 * `lease` the lease after an update; `amnesia` the mark that stood; `known` the highest number that the ledger has of
 * this writer: below `acked`, records were lost; `shown`, for a conflict, the record as JSON, null where there is none.
 *
 * - Callers order their items by key, so two batches never wait for each other in a circle.
 * - An insert looks first, since most repeats find a record: a conflict then writes nothing and takes no number. What it
 *   shows is that very record: by a second look it could be gone.
 * - ON CONFLICT waits for whoever inserts the same key; the loop looks again at what that came to.
 * - `patience` is how many milliseconds another's lock is waited for; then nothing was done.
 * - `strict` raises OF001 for a conflict: inside a tool's transaction nothing may be committed without its record.
 * - A commit is acknowledged when it is on the disk, whatever the session says; `SET` on the function itself would end
 *   with the function, before the commit.
 * - Under a stricter isolation level than read committed a conflict is an error of the server, never a wrong answer.
 */
export const writeFunction = (schema: string, channel: string): string => `
CREATE FUNCTION ${schema}.write(keys text[], tenants text[], tools text[], runs text[], states text[], bodies text[],
  lines text[], numbers bigint[], writer text, acked bigint, strict boolean, patience int)
RETURNS TABLE (place int, applied boolean, at float8, number float8, lease float8, amnesia float8, known float8, shown text)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
DECLARE
  the_record ${schema}.records%ROWTYPE;
  changed record;
  moment bigint;
  next bigint;
  highest bigint := 0;
  base int;
  the_key text;
  the_tenant text;
  the_body text;
  the_line text;
  the_fence bigint;
BEGIN
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM set_config('lock_timeout', patience::text, true);
  SELECT coalesce(m.amnesia_at, 0), greatest(m.floor, (SELECT w.n FROM ${schema}.writers w WHERE w.id = writer))
    INTO amnesia, known FROM ${schema}.meta m;

  FOR item IN 1 .. cardinality(keys) LOOP
    place := item - 1;
    base := place * ${NUMBERS.length};
    the_key := keys[item];
    the_tenant := tenants[item];
    the_body := bodies[item];
    the_line := lines[item];
    the_fence := ${numberAt('fence')};
    applied := false;
    number := 0;
    lease := NULL;
    shown := NULL;
    moment := ${NOW};
    IF ${numberAt('expect')} = 0 THEN
      LOOP
        SELECT * INTO the_record FROM ${schema}.records r WHERE r.key = the_key AND r.tenant = the_tenant;
        EXIT WHEN FOUND;
        next := nextval('${schema}.sequence');
        applied := the_body IS NULL;
        EXIT WHEN applied;
        the_fence := CASE the_fence WHEN 0 THEN next ELSE the_fence END;
        INSERT INTO ${schema}.records
          (id, key, tenant, tool, run, state, revision, fence, lease_until, first_send_at, doubt_at, created_at,
           updated_at, body, early, events)
        VALUES (next, the_key, the_tenant, tools[item], runs[item], states[item], next, the_fence,
          CASE WHEN ${numberAt('lease')} < 1 THEN 0 ELSE moment + ${numberAt('lease')} END,
          CASE ${numberAt('first_send')} WHEN -1 THEN moment ELSE ${numberAt('first_send')} END,
          CASE ${numberAt('doubt')} WHEN -1 THEN moment ELSE ${numberAt('doubt')} END,
          CASE ${numberAt('created')} WHEN -1 THEN moment ELSE ${numberAt('created')} END,
          moment, the_body, next,
          concat('[', next, ',', moment, ',', CASE ${numberAt('event_fence')} WHEN 0 THEN the_fence ELSE ${numberAt('event_fence')} END,
            ',', the_line))
        ON CONFLICT (key, tenant) DO NOTHING;
        applied := FOUND;
        EXIT WHEN applied;
      END LOOP;
    ELSIF the_body IS NULL THEN
      DELETE FROM ${schema}.records r
        WHERE r.key = the_key AND r.tenant = the_tenant AND r.revision = ${numberAt('expect')}
        RETURNING r.id INTO changed;
      IF FOUND THEN
        DELETE FROM ${schema}.events e WHERE e.record = changed.id;
        next := nextval('${schema}.sequence');
        applied := true;
      END IF;
    ELSE
      next := nextval('${schema}.sequence');
      the_fence := CASE the_fence WHEN 0 THEN next ELSE the_fence END;
      UPDATE ${schema}.records r SET
        tool = tools[item], run = runs[item], state = states[item], revision = r.revision + 1, fence = the_fence,
        lease_until = CASE ${numberAt('lease')} WHEN -1 THEN r.lease_until WHEN 0 THEN 0
          ELSE greatest(moment, r.updated_at) + ${numberAt('lease')} END,
        first_send_at = CASE ${numberAt('first_send')} WHEN -1 THEN greatest(moment, r.updated_at) ELSE ${numberAt('first_send')} END,
        doubt_at = CASE ${numberAt('doubt')} WHEN -1 THEN greatest(moment, r.updated_at) ELSE ${numberAt('doubt')} END,
        created_at = CASE ${numberAt('created')} WHEN -1 THEN greatest(moment, r.updated_at) ELSE ${numberAt('created')} END,
        updated_at = greatest(moment, r.updated_at),
        body = the_body,
        events = CASE WHEN octet_length(r.events) >= ${EARLY_BYTES} THEN r.events ELSE
          concat(r.events, ',[', next, ',', greatest(moment, r.updated_at), ',',
            CASE ${numberAt('event_fence')} WHEN 0 THEN the_fence ELSE ${numberAt('event_fence')} END, ',', the_line) END,
        early = CASE WHEN octet_length(r.events) >= ${EARLY_BYTES} THEN r.early ELSE next END
        WHERE r.key = the_key AND r.tenant = the_tenant AND r.revision = ${numberAt('expect')}
        RETURNING r.id, r.lease_until, r.updated_at, r.early = next AS early INTO changed;
      IF FOUND THEN
        applied := true;
        moment := changed.updated_at;
        lease := changed.lease_until;
        IF NOT changed.early THEN
          INSERT INTO ${schema}.events (record, n, line) VALUES (changed.id, next, concat('[', next, ',', moment, ',',
            CASE ${numberAt('event_fence')} WHEN 0 THEN the_fence ELSE ${numberAt('event_fence')} END, ',', the_line));
        END IF;
      END IF;
    END IF;

    IF applied THEN
      highest := next;
      number := next;
      IF ${numberAt('tell')} = 1 AND octet_length(the_key) < 7000 THEN
        PERFORM pg_notify(${channel}, the_key) FROM ${schema}.awaited a WHERE a.key = the_key AND a.until > moment;
      END IF;
    ELSE
      IF strict THEN
        RAISE EXCEPTION 'the record has changed' USING ERRCODE = 'OF001';
      END IF;
      IF ${numberAt('expect')} <> 0 THEN
        SELECT * INTO the_record FROM ${schema}.records r WHERE r.key = the_key AND r.tenant = the_tenant;
      END IF;
      IF the_record.id IS NOT NULL THEN
        the_record.events := '';
        shown := to_json(the_record);
      END IF;
      moment := ${NOW};
    END IF;
    at := moment;
    RETURN NEXT;
  END LOOP;

  IF highest > 0 THEN
    UPDATE ${schema}.writers w SET n = greatest(w.n, highest), seen = now() WHERE w.id = writer;
    IF NOT FOUND THEN
      INSERT INTO ${schema}.writers (id, n, seen) VALUES (writer, highest, now());
    END IF;
  END IF;
END
$function$`
