import {
  leftOut,
  readable,
  stamp,
  type ListPage,
  type OperationRecord,
  type Store,
  type Write,
  type WriteAnswer,
} from '../../engine/index.ts'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { examine } from './doctor.ts'
import type { PostgresClient } from './clients.ts'
import { COLUMNS, eventsOf, itemOf, noteText, NOW, recordOf, type Row } from './columns.ts'
import { driverFor } from './driver-for.ts'
import { readEpoch, retireWriters, saveMark } from './epoch.ts'
import { errorOf, notOpen, withoutMeta } from './failure.ts'
import { createNotices } from './notices.ts'
import { channelOf, quotedSchema } from './names.ts'
import { assertServable } from './servable.ts'
import { scanClosed, scanDue, scanList, type Scan } from './scan.sql.ts'
import { toColumn } from './text.ts'
import { beginTransaction } from './transaction.ts'
import { createWriteLane } from './write-lane.ts'
import { createWriters, stepOf } from './writers.ts'
import { foundIn, writeStatement, writeValues } from './write.sql.ts'

export interface PostgresOptions {
  /** `new Pool(…)` of pg, or what `postgres(…)` returned. It stays the caller's: closing the store does not end it. */
  readonly client: PostgresClient
  /** The ledger's own schema: small letters, digits, `_`. @default 'onefold' */
  readonly schema?: string
  /** How long the server may take for one answer, in milliseconds; keep it below the engine's store deadline. @default 1500 */
  readonly deadlineMs?: number
  /** Prepare the two hot statements by name. Switch it off behind a pooler that cannot keep them. @default true */
  readonly prepare?: boolean
}

const NAMES: NamesOf<PostgresOptions> = { client: true, schema: true, deadlineMs: 'number', prepare: true }

const DEFAULT_LIMIT = 100

/**
 * A ledger in a schema of a Postgres database (15 or later), for any number of processes and machines. An acknowledged
 * write is on the primary's disk, whatever `synchronous_commit` says. The client is the caller's: pg or postgres.
 *
 * Concurrent writes of a process share a round trip and a commit. The clock is the server's. `open` rejects with
 * `STORE_UNSAFE` for a schema that is missing, of another version or another program's, a role that may not do what is
 * needed, a standby, or a server that does not keep what it acknowledges; with `STORE_UNAVAILABLE` for a server that
 * cannot be reached or refuses the login. It creates nothing: that is `onefold ledger migrate`, or {@link migratePostgres}.
 */
export function postgresStore(options: PostgresOptions): Store {
  const {
    client,
    schema = 'onefold',
    deadlineMs = 1500,
    prepare = true,
  } = knownOptions('postgresStore', options, NAMES)
  const s = quotedSchema(schema)
  const driver = driverFor(client, { deadlineMs, prepare })
  const what = `the ledger in the schema ${schema}`
  // Below the deadline, so that the server says that nothing was done before nobody listens any more.
  const patienceMs = Math.ceil((deadlineMs * 2) / 3)
  let writers = createWriters()
  const notices = createNotices(driver, schema)
  const trips = driver.most < MANY ? 1 : 2
  /** Connections that transactions leave free: those that write, and one that listens. */
  const reserved = trips + 1
  const mostTransactions = Math.max(0, driver.most - reserved)
  let transactions = 0
  const turns: (() => void)[] = []
  let opening: Promise<void> | undefined
  let isOpen = false

  /** By the number of writers that there are. */
  const writeTexts: string[] = []
  const readText = READ.replaceAll('$schema', s)
  const lane = createWriteLane(async (items) => {
    const writer = writers.borrow()
    try {
      const terms = { remembered: writers.remembered(writer), strict: false, patienceMs }
      const text = (writeTexts[terms.remembered.length] ??= writeStatement(s, terms.remembered.length))
      const rows = await driver.query(text, writeValues(items, terms), true)
      if (rows.length === 0) throw withoutMeta(what)
      return rows.map((row) => ({
        ...row,
        sequence: writers.answered(writer, stepOf(row)),
      }))
    } finally {
      writers.giveBack(writer)
    }
  }, trips)

  function demandOpen(): void {
    if (!isOpen) throw notOpen()
  }

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    demandOpen()
    try {
      return await work()
    } catch (error) {
      throw errorOf(error, what)
    }
  }

  const query = (text: string, values: readonly unknown[] = [], often = false): Promise<readonly Row[]> =>
    ask(() => driver.query(text.replaceAll('$schema', s), values, often))

  async function page(scan: Scan, limit: number): Promise<ListPage> {
    const rows = await query(scan.text, scan.values)
    const shown = rows.filter((row) => row['id'] !== null).slice(0, limit)
    const more = Number(rows[0]?.['found']) > shown.length
    const unreadable: OnefoldError[] = []
    const records = shown.map((row) => readable(() => recordOf(row), unreadable))
    return {
      records: records.filter((record) => record !== undefined),
      ...leftOut(unreadable),
      next: more ? String(shown.at(-1)?.['id']) : undefined,
      now: Number(rows[0]?.['at']),
    }
  }

  async function read(key: string, tenant: string): Promise<{ record: OperationRecord | undefined; now: number }> {
    const [row] = await query(readText, [toColumn(key), toColumn(tenant)], true)
    const found = row as Row
    const record = found['id'] === null ? undefined : recordOf(found)
    notices.seen(key, record?.revision ?? 0)
    return { record, now: Number(found['at']) }
  }

  function answerOf(write: Write, row: Row): WriteAnswer {
    const base = { now: Number(row['at']), sequence: Number(row['sequence']), amnesiaAt: Number(row['amnesia']) }
    const applied = row['applied'] === true
    const there = applied ? undefined : foundIn(row)
    const record = applied ? writtenBy(write, row) : there === undefined ? undefined : recordOf(there)
    notices.seen(write.key, record?.revision ?? 0)
    if (applied) notices.tell(write.key)
    return { applied, record, ...base }
  }

  /** Connections that transactions do not take are left for the writes of everybody else. */
  async function turn(): Promise<void> {
    if (mostTransactions === 0) {
      throw new OnefoldError(
        'STORE_UNSAFE',
        `A transactional tool needs a client with at least ${reserved + 1} connections; this one may open ${driver.most}. No effect started: raise max.`,
      )
    }
    if (transactions < mostTransactions) transactions += 1
    else await new Promise<void>((resolve) => turns.push(resolve))
  }

  function endTurn(): void {
    const next = turns.shift()
    if (next === undefined) transactions -= 1
    else next()
  }

  return {
    name: 'postgres',
    guarantees: { durability: 'power-loss', transactions: true, shared: true },

    async open() {
      opening ??= assertServable(driver, schema)
        .then(() => {
          isOpen = true
        })
        .catch((error: unknown) => {
          opening = undefined
          throw errorOf(error, what)
        })
      await opening
    },

    read,

    async write(write) {
      return answerOf(write, await ask(() => lane.write(itemOf(write))))
    },

    async begin(lastsMs) {
      demandOpen()
      await turn()
      let over = false
      const ended = (): void => {
        if (!over) endTurn()
        over = true
      }
      try {
        const transaction = await beginTransaction({
          driver,
          schema: s,
          writers,
          what,
          patienceMs,
          lastsMs,
          told: notices.tell,
          async conflict([first]) {
            const { record, now } =
              first === undefined ? { record: undefined, now: 0 } : await read(first.key, first.tenant)
            return { applied: false, record, now, sequence: writers.highest() }
          },
        })
        return {
          handle: transaction.handle,
          commit: (writes) => transaction.commit(writes).finally(ended),
          rollback: () => transaction.rollback().finally(ended),
        }
      } catch (error) {
        ended()
        throw error
      }
    },

    async note(key, tenant, event) {
      await query(NOTE, [toColumn(key), toColumn(tenant), event.fence, noteText(event)])
    },

    async history(key, tenant) {
      const rows = await query(HISTORY, [toColumn(key), toColumn(tenant)])
      return eventsOf(rows.flatMap(({ early, line }) => (early === null ? [line as string] : linesOf(early as string))))
    },

    list: (wanted) => page(scanList(s, wanted, wanted.limit ?? DEFAULT_LIMIT), wanted.limit ?? DEFAULT_LIMIT),
    due: (limit, after = '0') => page(scanDue(s, after, limit), limit),
    closed: (limit, after = '0') => page(scanClosed(s, after, limit), limit),

    async stats(tenant) {
      const rows = await query(STATS, [tenant === undefined ? null : toColumn(tenant)])
      const states = Object.fromEntries(rows.map(({ state, count }) => [String(state), Number(count)]))
      const [size] = await query(SIZE)
      return { states, sizeBytes: Number(size?.['bytes']) }
    },

    watch: (key, listener) => notices.watch(key, listener),

    async epoch() {
      const epoch = await ask(() => readEpoch(driver, schema))
      writers.seen(epoch.sequence)
      return epoch
    },

    async markAmnesia(mark) {
      await ask(() => saveMark(driver, schema, mark, writers.highest()))
    },

    async putBlob({ key, tenant }, sha256, bytes) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
      await query(PUT_BLOB, [toColumn(key), toColumn(tenant), sha256, text])
    },

    async getBlob({ key, tenant }, sha256) {
      const [row] = await query(GET_BLOB, [toColumn(key), toColumn(tenant), sha256])
      return row === undefined ? undefined : new Uint8Array(Buffer.from(row['bytes'] as string, 'base64'))
    },

    doctor: () => ask(() => examine(driver, schema, channelOf(schema))),

    async close() {
      await opening?.catch(() => undefined)
      if (!isOpen) return
      isOpen = false
      opening = undefined
      await lane.idle()
      await notices.stop()
      const ids = writers.ids()
      writers = createWriters()
      await retireWriters(driver, schema, ids).catch(() => undefined)
    },
  }
}

function writtenBy({ draft, expect }: Write, row: Row): OperationRecord | undefined {
  if (draft === undefined) return undefined
  const current = expect === 0 ? undefined : { revision: expect, leaseUntil: Number(row['lease'] ?? 0) }
  return stamp(draft, current, Number(row['at']), Number(row['number']))
}

/** Connections of a client from which on two of them write. */
const MANY = 6

const linesOf = (early: string): string[] =>
  (JSON.parse(`[${early}]`) as unknown[]).map((event) => JSON.stringify(event))

const READ = `
  SELECT ${NOW}::float8 AS at, found.* FROM (SELECT 1) AS one
  LEFT JOIN (SELECT ${COLUMNS} FROM $schema.records WHERE key = $1 AND tenant = $2) AS found ON true`

/** A note may become durable later. */
const NOTE = `
  WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
  INSERT INTO $schema.events (record, n, line)
  SELECT r.id, next.n, concat('[', next.n, ',', ${NOW}, ',', $3::bigint, ',', $4::text)
  FROM $schema.records r, lazily, LATERAL (SELECT nextval('$schema.sequence') AS n WHERE r.id > 0) AS next
  WHERE r.key = $1 AND r.tenant = $2`

const HISTORY = `
  SELECT r.events AS early, NULL AS line FROM $schema.records r WHERE r.key = $1 AND r.tenant = $2
  UNION ALL
  SELECT NULL, e.line FROM $schema.records r JOIN $schema.events e ON e.record = r.id WHERE r.key = $1 AND r.tenant = $2`

const STATS = `
  SELECT state, count(*)::float8 AS count FROM $schema.records WHERE $1::text IS NULL OR tenant = $1 GROUP BY state`

const SIZE = `
  SELECT (pg_total_relation_size('$schema.records') + pg_total_relation_size('$schema.events')
    + pg_total_relation_size('$schema.payloads') + pg_total_relation_size('$schema.blobs') + pg_total_relation_size('$schema.outbox'))::float8 AS bytes`

/** The lock makes a tombstone that is under way come first, or wait: nothing is kept beside it after it has erased. */
const PUT_BLOB = `
  WITH durably AS MATERIALIZED (SELECT set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN current_setting('synchronous_commit') ELSE 'on' END, true)),
  owner AS MATERIALIZED (SELECT state FROM $schema.records WHERE key = $1 AND tenant = $2 FOR SHARE)
  INSERT INTO $schema.payloads (key, tenant, sha256, bytes) SELECT $1, $2, $3, decode($4, 'base64') FROM durably
  WHERE NOT EXISTS (SELECT FROM owner WHERE state = 'expired') ON CONFLICT (key, tenant, sha256) DO NOTHING`

const GET_BLOB = `
  SELECT encode(bytes, 'base64') AS bytes FROM $schema.payloads WHERE key = $1 AND tenant = $2 AND sha256 = $3
  UNION ALL SELECT encode(bytes, 'base64') FROM $schema.blobs WHERE sha256 = $3 LIMIT 1`
