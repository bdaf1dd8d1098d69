import { randomUUID } from 'node:crypto'
import type { Finding } from '../../engine/index.ts'
import type { Driver } from './driver.ts'
import { readEpoch, readNumbers } from './epoch.ts'
import { hiddenBy, installed, versionOf } from './migrate.ts'
import { quotedSchema } from './names.ts'
import { missingRights, settingsOf, type ServerSettings } from './servable.ts'

const CLOCK_OFF_MS = 1_000
const CONNECT_WITHIN_MS = 10_000
const HEARD_WITHIN_MS = 1_000

/** Looks at everything that the promise rests on in this server. */
export async function examine(driver: Driver, schema: string, channel: string): Promise<readonly Finding[]> {
  const before = Date.now()
  const settings = await settingsOf(driver)
  const offBy = Math.round(settings.clock - (before + Date.now()) / 2)
  const version = await installed(driver, schema)
  const missing = version === undefined ? [] : await missingRights(driver, schema)
  const { id, sequence, amnesia } = await readEpoch(driver, schema)
  const hidden = await hiddenBy(driver, schema)
  const { given, written } = await readNumbers(driver, schema)
  return [
    ...durability(settings),
    finding('primary', !settings.standby, settings.standby ? 'this server is a standby' : 'yes', {
      fix: 'connect to the primary',
      unsafe: true,
    }),
    finding('isolation', settings.isolation === 'read committed', settings.isolation, {
      fix: "set default_transaction_isolation to 'read committed' for this role",
      unsafe: true,
    }),
    finding('schema version', version === versionOf(schema), `${version ?? 'none'} in ${schema}`, {
      fix: 'run "onefold ledger migrate"',
      unsafe: true,
    }),
    finding('rights', missing.length === 0, missing.length === 0 ? 'as needed' : `missing: ${missing.join(', ')}`, {
      fix: 'run "onefold ledger migrate --role NAME" as the owner of the schema',
      unsafe: true,
    }),
    finding('row level security', hidden === undefined, hidden?.message ?? 'off', {
      fix: 'disable it for the tables of the ledger',
      unsafe: true,
    }),
    finding('sequence', given >= written, `at ${given}, ${written} written`, {
      fix: `SELECT setval('${schema}.sequence', ${written}), as its owner`,
      unsafe: true,
    }),
    finding('clock', Math.abs(offBy) <= CLOCK_OFF_MS, `the server's is ${offBy} ms ahead of this machine's`, {
      fix: 'let both follow a time server; windows of keyed tools are measured on the server',
    }),
    settings.readOnly ? READ_ONLY : await probeRow(driver, schema),
    connecting(driver),
    finding(
      'epoch',
      amnesia === undefined,
      amnesia === undefined ? `${id}, step ${sequence}` : `records were lost: ${amnesia.why}`,
      {
        fix: 'settle what was lost, then "onefold ledger lift"',
      },
    ),
    await notices(driver, channel),
  ]
}

interface Consequence {
  readonly fix: string
  readonly unsafe?: boolean
}

const finding = (check: string, ok: boolean, found: string, { fix, unsafe = false }: Consequence): Finding =>
  ok ? { check, ok, found } : { check, ok, found, fix, unsafe }

const durability = (settings: ServerSettings): readonly Finding[] => [
  finding('server', settings.version >= 150_000, `Postgres ${settings.shownVersion}`, {
    fix: 'use Postgres 15 or later',
    unsafe: true,
  }),
  finding('fsync', settings.fsync === 'on', settings.fsync, { fix: 'set fsync = on', unsafe: true }),
  finding('full_page_writes', settings.fullPageWrites === 'on', settings.fullPageWrites, {
    fix: 'set full_page_writes = on',
    unsafe: true,
  }),
  {
    check: 'synchronous_commit',
    ok: true,
    found: ['on', 'remote_apply'].includes(settings.synchronousCommit)
      ? settings.synchronousCommit
      : `${settings.synchronousCommit}; every write of the ledger forces on`,
  },
  settings.standbys === ''
    ? {
        check: 'fail-over',
        ok: true,
        found:
          'no synchronous standby: a fail-over may lose acknowledged records, which the amnesia guard then notices',
      }
    : { check: 'fail-over', ok: true, found: `synchronous standbys: ${settings.standbys}` },
]

/** A connection that never comes about keeps its place in the pool. */
const connecting = ({ connectMs }: Driver): Finding => ({
  check: 'connect timeout',
  ok: connectMs !== undefined && connectMs <= CONNECT_WITHIN_MS,
  found: connectMs === undefined ? 'none' : `${connectMs} ms`,
  ...(connectMs !== undefined && connectMs <= CONNECT_WITHIN_MS
    ? {}
    : { fix: 'give the client one of a few seconds: connectionTimeoutMillis of pg, connect_timeout of postgres' }),
})

const READ_ONLY: Finding = {
  check: 'a write can be read back',
  ok: false,
  found: 'transactions begin as read only',
  fix: 'set default_transaction_read_only to off for this role or database, or connect to the primary',
  unsafe: true,
}

/** Writes, commits and reads back. */
async function probeRow(driver: Driver, schema: string): Promise<Finding> {
  const s = quotedSchema(schema)
  const probe = randomUUID()
  await driver.query(`UPDATE ${s}.meta SET probe = $1`, [probe])
  const [row] = await driver.query(`SELECT probe FROM ${s}.meta`, [])
  const same = row?.['probe'] === probe
  return finding('a write can be read back', same, same ? 'yes' : 'another value came back', {
    fix: 'the client may be sending reads to a replica; connect to the primary alone',
    unsafe: true,
  })
}

/** Behind some poolers nothing is ever heard; waiting callers then poll. */
async function notices(driver: Driver, channel: string): Promise<Finding> {
  const probe = `doctor ${randomUUID()}`
  let stop = async (): Promise<void> => {}
  const heard = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), HEARD_WITHIN_MS)
    const hear = (payload: string): void => {
      if (payload !== probe) return
      clearTimeout(timer)
      resolve(true)
    }
    driver
      .listen(
        channel,
        hear,
        () => void driver.query('SELECT pg_notify($1, $2)', [channel, probe]).catch(() => undefined),
      )
      .then(
        (unlisten) => {
          stop = unlisten
        },
        () => resolve(false),
      )
  })
  await stop()
  return {
    check: 'notifications',
    ok: heard,
    found: heard ? 'heard' : 'not heard: waiting callers poll',
    ...(heard
      ? {}
      : {
          fix: 'connect to the server directly, or through a pooler in session mode, by a client with at least two connections',
        }),
  }
}
