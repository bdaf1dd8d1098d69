import { randomUUID } from 'node:crypto'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import type { PostgresClient } from './clients.ts'
import type { Driver } from './driver.ts'
import { driverFor } from './driver-for.ts'
import { codeOf, errorOf, unsafe, withoutMeta } from './failure.ts'
import { quotedRole, quotedSchema } from './names.ts'
import { APPLICATION, grants, migrations } from './schema.sql.ts'
import { literal } from './text.ts'

export interface MigrateOptions {
  /** @default 'onefold' */
  readonly schema?: string
  /** A role that is to serve the ledger; it is granted the least that it needs. @default none */
  readonly role?: string
}

const NAMES: NamesOf<MigrateOptions> = { schema: true, role: true }

/** What {@link migratePostgres} did. */
export interface Migrated {
  readonly from: number
  readonly to: number
}

const DEADLINE_MS = 60_000

/** The version that the schema of this ledger has to have. */
export const versionOf = (schema: string): number => migrations(schema).length

/**
 * Brings the ledger's schema to this version; creates it where there is none. Needs the right to create in the database
 * (or an empty schema of that name that it owns); serving the ledger needs much less. Safe to run from several processes.
 * @throws OnefoldError STORE_UNSAFE for a newer ledger or another program's tables, STORE_UNAVAILABLE, CONFIG_INVALID
 */
export async function migratePostgres(client: PostgresClient, options: MigrateOptions = {}): Promise<Migrated> {
  const { schema = 'onefold', role } = knownOptions('migratePostgres', options, NAMES)
  quotedSchema(schema)
  const driver = driverFor(client, { deadlineMs: DEADLINE_MS, prepare: false })
  try {
    const from = (await installed(driver, schema)) ?? 0
    const to = versionOf(schema)
    if (from > to) throw newer(schema, from)
    const steps = [
      from < to ? scriptOf(schema, from) : turnOf(schema),
      ...(role === undefined ? [] : [grants(schema, quotedRole(role))]),
    ]
    // One transaction: a role that there is not leaves no ledger behind that nobody may serve.
    if (from < to || role !== undefined) await driver.script(steps.join(';\n'))
    return { from, to }
  } catch (error) {
    // Another process may have come first; then everything is done.
    if (codeOf(error) === ALREADY && (await installed(driver, schema)) === versionOf(schema)) {
      return await migratePostgres(client, options)
    }
    throw errorOf(error, `the schema ${schema}`)
  }
}

/** Processes that change one schema take turns, until the end of their transaction. */
const turnOf = (schema: string): string => `SELECT pg_advisory_xact_lock(hashtext(${literal(`onefold ${schema}`)}))`

const ALREADY = 'OF003'

/** One implicit transaction: all of it or nothing. The advisory lock makes processes take turns. */
function scriptOf(schema: string, from: number): string {
  const s = quotedSchema(schema)
  const steps = migrations(schema).slice(from).join(';\n')
  const ledger = literal(randomUUID())
  const to = versionOf(schema)
  const lock = turnOf(schema)
  const check =
    from === 0
      ? `to_regclass(${literal(`${s}.meta`)}) IS NOT NULL`
      : `(SELECT version FROM ${s}.meta) IS DISTINCT FROM ${from}`
  const guard = `DO $$ BEGIN IF ${check} THEN RAISE EXCEPTION 'another process migrated this ledger' USING ERRCODE = '${ALREADY}'; END IF; END $$`
  const create = `DO $$ BEGIN IF to_regnamespace(${literal(s)}) IS NULL THEN CREATE SCHEMA ${s}; END IF; END $$`
  const mark =
    from === 0
      ? `INSERT INTO ${s}.meta (version, ledger, created_at) VALUES (${to}, ${ledger}, extract(epoch FROM now()) * 1000)`
      : `UPDATE ${s}.meta SET version = ${to}`
  return from === 0 ? [lock, create, guard, steps, mark].join(';\n') : [lock, guard, steps, mark].join(';\n')
}

/**
 * The version of the ledger in `schema`; undefined where there is none.
 * @throws OnefoldError STORE_UNSAFE where another program's tables are
 */
export async function installed(driver: Driver, schema: string): Promise<number | undefined> {
  const [found] = await driver.query(
    `SELECT
      (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) AS tables,
      EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'meta' AND a.attname = 'application') AS ours,
      EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'records' AND a.attname = 'first_send_at') AS remains`,
    [schema],
  )
  if (found === undefined || found['tables'] === 0) return undefined
  const lost = found['remains'] === true ? withoutMeta(`the ledger in the schema ${schema}`) : foreign(schema)
  if (found['ours'] !== true) throw lost
  const [meta] = await driver.query(`SELECT application, version FROM ${quotedSchema(schema)}.meta`, [])
  if (meta === undefined) throw (await hiddenBy(driver, schema)) ?? lost
  if (meta['application'] !== APPLICATION) throw foreign(schema)
  return Number(meta['version'])
}

/** Others' tables may lie in the schema too. */
const TABLES = ['meta', 'writers', 'records', 'events', 'awaited', 'blobs', 'outbox', 'payloads']

/** The refusal of tables that show this role only some of their rows: what it does not see would be done again. */
export async function hiddenBy(driver: Driver, schema: string): Promise<Error | undefined> {
  const [row] = await driver.query(
    `SELECT string_agg(c.relname, ', ' ORDER BY c.relname) AS tables FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname IN (SELECT json_array_elements_text($2::text::json))
       AND c.relkind = 'r' AND row_security_active(c.oid)`,
    [schema, JSON.stringify(TABLES)],
  )
  const tables = row?.['tables'] as string | null
  if (tables === null) return undefined
  return unsafe(
    `Row level security hides rows of the ledger in the schema ${schema} from this role (${tables}): run "ALTER TABLE ${schema}.NAME DISABLE ROW LEVEL SECURITY" for each as their owner.`,
  )
}

export const newer = (schema: string, version: number): Error =>
  unsafe(
    `The ledger in the schema ${schema} has version ${version}, this onefold knows up to ${versionOf(schema)}: update onefold.`,
  )

const foreign = (schema: string): Error =>
  unsafe(`The schema ${schema} holds another program's tables: name another one, as ?schema=onefold_ledger.`)
