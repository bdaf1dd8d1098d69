import { NOW } from './columns.ts'

/** Events lie in the record's own row up to here, since nearly every operation has few; later ones in `events`. */
const EARLY_BYTES = 2_000

/**
 * The one step that changes operations, as a function of the server, so that each statement in it sees what was
 * committed before it: a conflict always shows the record that won.
 *
 * Inputs: `items`, a JSON array of {@link Item}; `writer`, who writes (one connection at a time); `acked`, the highest
 * number that this writer was ever acknowledged; `strict`, `patience`.
 * Answers: one row an item, in the order of keys. `place` is the item's place; `applied`; `at` the store's now;
 * `number` the new sequence (0 for a conflict); `lease` the lease after an update; `amnesia` the mark that stood;
 * `known` the highest number that the ledger has of this writer: below `acked`, records were lost. For a conflict the
 * record's columns, null where there is none.
 *
 * - Items are taken in the order of their keys, so two batches never wait for each other in a circle.
 * - An insert looks first, since most repeats find a record: a conflict then writes nothing and takes no number.
 * - ON CONFLICT waits for whoever inserts the same key; the loop looks again at what that came to.
 * - `patience` is how many milliseconds another's lock is waited for; then nothing was done.
 * - `strict` raises OF001 for a conflict: inside a tool's transaction nothing may be committed without its record.
 * - A commit is acknowledged when it is on the disk, whatever the session says; `SET` on the function itself would end
 *   with the function, before the commit.
 */
export const writeFunction = (schema: string, channel: string): string => `
CREATE FUNCTION ${schema}.write(items text, writer text, acked bigint, strict boolean, patience int)
RETURNS TABLE (place int, applied boolean, at float8, number float8, lease float8, amnesia float8, known float8,
  id float8, key text, tenant text, tool text, run text, state text, revision float8, fence float8, lease_until float8,
  first_send_at float8, doubt_at float8, created_at float8, updated_at float8, body text)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
DECLARE
  item record;
  found_record ${schema}.records%ROWTYPE;
  changed record;
  mark bigint;
  had bigint;
  moment bigint;
  next bigint;
  highest bigint := 0;
  done boolean;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'onefold needs the isolation level read committed' USING ERRCODE = 'OF002';
  END IF;
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM set_config('lock_timeout', patience::text, true);
  SELECT coalesce(m.amnesia_at, 0), greatest(m.floor, coalesce(w.n, 0)) INTO mark, had
    FROM ${schema}.meta m LEFT JOIN ${schema}.writers w ON w.id = writer;

  FOR item IN
    SELECT * FROM json_to_recordset(items::json) AS x(
      place int, key text, tenant text, expect bigint, tool text, run text, state text, fence bigint, lease bigint,
      first_send bigint, doubt bigint, created bigint, body text, event text, event_fence bigint, tell boolean)
    ORDER BY x.key COLLATE "C", x.tenant COLLATE "C", x.place
  LOOP
    done := false;
    lease := NULL;
    next := 0;
    moment := ${NOW};
    IF item.expect = 0 THEN
      LOOP
        SELECT * INTO found_record FROM ${schema}.records r WHERE r.key = item.key AND r.tenant = item.tenant;
        EXIT WHEN FOUND;
        next := nextval('${schema}.sequence');
        IF item.body IS NULL THEN
          done := true;
          EXIT;
        END IF;
        INSERT INTO ${schema}.records
          (id, key, tenant, tool, run, state, revision, fence, lease_until, first_send_at, doubt_at, created_at,
           updated_at, body, early, events)
        VALUES (next, item.key, item.tenant, item.tool, item.run, item.state, next,
          CASE item.fence WHEN 0 THEN next ELSE item.fence END,
          CASE WHEN coalesce(item.lease, 0) = 0 THEN 0 ELSE moment + item.lease END,
          CASE item.first_send WHEN -1 THEN moment ELSE item.first_send END,
          CASE item.doubt WHEN -1 THEN moment ELSE item.doubt END,
          CASE item.created WHEN -1 THEN moment ELSE item.created END,
          moment, item.body, next,
          concat('[', next, ',', moment, ',',
            CASE WHEN item.event_fence <> 0 THEN item.event_fence WHEN item.fence <> 0 THEN item.fence ELSE next END,
            ',', item.event))
        ON CONFLICT (key, tenant) DO NOTHING;
        done := FOUND;
        EXIT WHEN done;
      END LOOP;
    ELSIF item.body IS NULL THEN
      DELETE FROM ${schema}.records r
        WHERE r.key = item.key AND r.tenant = item.tenant AND r.revision = item.expect
        RETURNING r.id INTO changed;
      IF FOUND THEN
        DELETE FROM ${schema}.events e WHERE e.record = changed.id;
        next := nextval('${schema}.sequence');
        done := true;
      END IF;
    ELSE
      next := nextval('${schema}.sequence');
      UPDATE ${schema}.records r SET
        tool = item.tool, run = item.run, state = item.state, revision = r.revision + 1,
        fence = CASE item.fence WHEN 0 THEN next ELSE item.fence END,
        lease_until = CASE WHEN item.lease IS NULL THEN r.lease_until WHEN item.lease = 0 THEN 0
          ELSE greatest(moment, r.updated_at) + item.lease END,
        first_send_at = CASE item.first_send WHEN -1 THEN greatest(moment, r.updated_at) ELSE item.first_send END,
        doubt_at = CASE item.doubt WHEN -1 THEN greatest(moment, r.updated_at) ELSE item.doubt END,
        created_at = CASE item.created WHEN -1 THEN greatest(moment, r.updated_at) ELSE item.created END,
        updated_at = greatest(moment, r.updated_at),
        body = item.body,
        events = CASE WHEN octet_length(r.events) >= ${EARLY_BYTES} THEN r.events ELSE
          concat(r.events, ',[', next, ',', greatest(moment, r.updated_at), ',',
            CASE WHEN item.event_fence <> 0 THEN item.event_fence WHEN item.fence <> 0 THEN item.fence ELSE next END,
            ',', item.event) END,
        early = CASE WHEN octet_length(r.events) >= ${EARLY_BYTES} THEN r.early ELSE next END
        WHERE r.key = item.key AND r.tenant = item.tenant AND r.revision = item.expect
        RETURNING r.id, r.fence, r.lease_until, r.updated_at,
          r.early = next AS early
        INTO changed;
      IF FOUND THEN
        done := true;
        moment := changed.updated_at;
        lease := changed.lease_until;
        IF NOT changed.early THEN
          INSERT INTO ${schema}.events (record, n, line) VALUES (changed.id, next,
            concat('[', next, ',', moment, ',',
              CASE item.event_fence WHEN 0 THEN changed.fence ELSE item.event_fence END, ',', item.event));
        END IF;
      END IF;
    END IF;

    place := item.place;
    applied := done;
    amnesia := mark;
    known := had;
    at := moment;
    IF done THEN
      highest := next;
      number := next;
      key := NULL;
      body := NULL;
      IF item.tell AND octet_length(item.key) < 7000 THEN
        PERFORM pg_notify(${channel}, item.key) FROM ${schema}.awaited a WHERE a.key = item.key AND a.until > moment;
      END IF;
    ELSE
      IF strict THEN
        RAISE EXCEPTION 'the record has changed' USING ERRCODE = 'OF001';
      END IF;
      number := 0;
      IF item.expect <> 0 THEN
        SELECT * INTO found_record FROM ${schema}.records r WHERE r.key = item.key AND r.tenant = item.tenant;
      END IF;
      id := found_record.id;
      key := found_record.key;
      tenant := found_record.tenant;
      tool := found_record.tool;
      run := found_record.run;
      state := found_record.state;
      revision := found_record.revision;
      fence := found_record.fence;
      lease_until := found_record.lease_until;
      first_send_at := found_record.first_send_at;
      doubt_at := found_record.doubt_at;
      created_at := found_record.created_at;
      updated_at := found_record.updated_at;
      body := found_record.body;
      at := ${NOW};
    END IF;
    RETURN NEXT;
  END LOOP;

  IF highest > 0 THEN
    INSERT INTO ${schema}.writers AS w (id, n, seen) VALUES (writer, highest, now())
      ON CONFLICT (id) DO UPDATE SET n = greatest(w.n, highest), seen = now();
  END IF;
END
$function$`
