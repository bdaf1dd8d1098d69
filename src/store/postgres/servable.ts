import type { Driver } from './driver.ts'
import { codeOf, unsafe } from './failure.ts'
import { readNumbers } from './epoch.ts'
import { hiddenBy, installed, newer, versionOf } from './migrate.ts'
import { quotedSchema } from './names.ts'
import { writeSignature } from './write.sql.ts'

/** Everything that must hold before the first call is served. @throws OnefoldError STORE_UNSAFE, and errors of the client */
export async function assertServable(driver: Driver, schema: string): Promise<void> {
  const settings = await settingsOf(driver)
  if (settings.standby) {
    throw unsafe('This server is a standby, which takes no writes and may lag behind: connect to the primary.')
  }
  if (settings.version < 150_000)
    throw unsafe(`This server is Postgres ${settings.shownVersion}; a ledger needs 15 or later.`)
  if (settings.encoding !== 'UTF8')
    throw unsafe(`The database keeps text as ${settings.encoding}; a ledger needs UTF8.`)
  for (const [name, value] of [
    ['fsync', settings.fsync],
    ['full_page_writes', settings.fullPageWrites],
  ]) {
    if (value !== 'on') {
      throw unsafe(
        `The server runs with ${name} = ${value}: it would lose what it has acknowledged. Set it to on and restart the server.`,
      )
    }
  }
  if (settings.isolation !== 'read committed') {
    throw unsafe(
      `Transactions begin as ${settings.isolation}: set default_transaction_isolation to 'read committed' for this role or database.`,
    )
  }
  if (settings.readOnly) {
    throw unsafe(
      'Transactions begin as read only: set default_transaction_read_only to off for this role or database, or connect to the primary.',
    )
  }
  if (settings.arrayNulls !== 'on') {
    throw unsafe(
      'Transactions begin with array_nulls = off, by which what is to be deleted would be written over: set it to on for this role or database.',
    )
  }
  const version = await installed(driver, schema).catch((error: unknown) => {
    // Only a schema that is there can deny its use.
    if (codeOf(error) === '42501')
      throw unsafe(`The role may not use the schema ${schema}: run "onefold ledger migrate --role NAME" as its owner.`)
    throw error
  })
  if (version === undefined)
    throw unsafe(`There is no ledger in the schema ${schema}: run "onefold ledger migrate" once.`)
  if (version > versionOf(schema)) throw newer(schema, version)
  if (version < versionOf(schema)) {
    throw unsafe(
      `The ledger in the schema ${schema} has version ${version}, this onefold needs ${versionOf(schema)}: run "onefold ledger migrate".`,
    )
  }
  const missing = await missingRights(driver, schema)
  if (missing.length > 0) {
    throw unsafe(
      `The role lacks rights in the schema ${schema} (${missing.join(', ')}): run "onefold ledger migrate --role NAME" as its owner.`,
    )
  }
  const hidden = await hiddenBy(driver, schema)
  if (hidden !== undefined) throw hidden
  const { given, written } = await readNumbers(driver, schema)
  if (given < written) {
    throw unsafe(
      `The sequence of the ledger in the schema ${schema} is at ${given}, and number ${written} was written, as on a logical replica or where a dump was restored in part: run "SELECT setval('${schema}.sequence', ${written})" as its owner. What was written after the copy was made is missing: say "onefold ledger lost" if any was.`,
    )
  }
}

export interface ServerSettings {
  readonly version: number
  readonly shownVersion: string
  readonly standby: boolean
  readonly encoding: string
  readonly fsync: string
  readonly fullPageWrites: string
  readonly isolation: string
  readonly readOnly: boolean
  readonly arrayNulls: string
  readonly synchronousCommit: string
  readonly standbys: string
  /** The server's clock in milliseconds. */
  readonly clock: number
}

export async function settingsOf(driver: Driver): Promise<ServerSettings> {
  const [row] = await driver.query(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS shown,
       pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes, current_setting('transaction_isolation') AS isolation,
       current_setting('transaction_read_only') AS read_only, current_setting('array_nulls') AS array_nulls, current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('synchronous_standby_names') AS standbys,
       (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock`,
    [],
  )
  const found = row ?? {}
  const text = (name: string): string => String(found[name])
  return {
    version: Number(found['version']),
    shownVersion: text('shown'),
    standby: found['standby'] === true,
    encoding: text('encoding'),
    fsync: text('fsync'),
    fullPageWrites: text('full_page_writes'),
    isolation: text('isolation'),
    readOnly: text('read_only') === 'on',
    arrayNulls: text('array_nulls'),
    synchronousCommit: text('synchronous_commit'),
    standbys: text('standbys'),
    clock: Number(found['clock']),
  }
}

const RIGHTS: readonly (readonly [table: string, rights: readonly string[]])[] = [
  ['records', ['SELECT', 'INSERT', 'UPDATE', 'DELETE']],
  ['events', ['SELECT', 'INSERT', 'DELETE']],
  ['writers', ['SELECT', 'INSERT', 'UPDATE', 'DELETE']],
  ['awaited', ['SELECT', 'INSERT', 'UPDATE', 'DELETE']],
  ['outbox', ['SELECT', 'INSERT', 'DELETE']],
  ['blobs', ['SELECT']],
  ['payloads', ['SELECT', 'INSERT', 'DELETE']],
  ['meta', ['SELECT', 'UPDATE']],
]

/** What the role may not do, in words; empty when it may do everything. */
export async function missingRights(driver: Driver, schema: string): Promise<readonly string[]> {
  const s = quotedSchema(schema)
  const wanted = RIGHTS.flatMap(([table, rights]) => rights.map((right) => ({ table, right })))
  const [row] = await driver.query(
    `SELECT
      (SELECT coalesce(json_agg(right_ || ' on ' || table_), '[]')::text FROM json_to_recordset($1::text::json) AS x("table" text, "right" text),
        LATERAL (SELECT "table" AS table_, "right" AS right_) AS y
        WHERE NOT has_table_privilege('${s}.' || table_, right_)) AS tables,
      has_sequence_privilege('${s}.sequence', 'USAGE') AS numbers,
      has_function_privilege('${writeSignature(s)}', 'EXECUTE') AS write`,
    [JSON.stringify(wanted)],
  )
  return [
    ...(JSON.parse(row?.['tables'] as string) as string[]),
    ...(row?.['numbers'] === true ? [] : ['USAGE on sequence']),
    ...(row?.['write'] === true ? [] : ['EXECUTE on write']),
  ]
}
