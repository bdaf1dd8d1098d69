import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore, type PostgresClient } from '../../src/store/postgres/index.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { freePort } from '../support/servers/free-port.ts'
import { asOwner, CLIENTS, type ClientName, type OpenedClient } from './clients.ts'

const NEWEST = postgresVersions().at(-1)

describe.skipIf(NEWEST === undefined)('what is refused before anything is served', () => {
  let server: PostgresServer
  let folder: string
  const clients: OpenedClient[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onefold-refusals-'))
    chmodSync(folder, 0o755)
    const rules = join(folder, 'hba.conf')
    writeFileSync(rules, 'host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n')
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>, { hba_file: rules, wal_writer_delay: '10s' })
    await asOwner(
      server.url(),
      `CREATE ROLE locked LOGIN PASSWORD 'right'; CREATE ROLE bare LOGIN; CREATE ROLE careless LOGIN;
       CREATE ROLE strict LOGIN; ALTER ROLE careless SET synchronous_commit = off;
       ALTER ROLE strict SET default_transaction_isolation = 'serializable';
       CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on`,
    )
    await asOwner(server.url(), 'CREATE SCHEMA theirs; CREATE TABLE theirs.records (id int)')
    await asOwner(
      server.url(),
      'CREATE SCHEMA theirs_too; CREATE TABLE theirs_too.meta (application text, version int)',
    )
    const owner = CLIENTS.pg(server.url(), 1)
    for (const schema of ['ledger', 'older', 'newer', 'future']) {
      await migratePostgres(owner.client, { schema, ...(schema === 'ledger' ? { role: 'careless' } : {}) })
    }
    for (const role of ['strict', 'reader']) await migratePostgres(owner.client, { schema: 'ledger', role })
    await owner.end()
    await asOwner(server.url(), 'UPDATE older.meta SET version = 0; UPDATE newer.meta SET version = 99')
  })
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await server.close()
    rmSync(folder, { recursive: true })
  })

  function storeOn(url: string, schema = 'ledger', name: ClientName = 'pg'): Store {
    const opened = CLIENTS[name](url, 3)
    clients.push(opened)
    return postgresStore({ client: opened.client, schema, deadlineMs: 1_000 })
  }

  const CASES: readonly (readonly [what: string, url: () => string, schema: string, error: object])[] = [
    [
      'a wrong password',
      () => server.url({ user: 'locked', password: 'wrong' }),
      'ledger',
      { code: 'STORE_UNAVAILABLE', message: expect.stringContaining('check user and password') },
    ],
    [
      'a database that is not there',
      () => server.url({ database: 'nowhere' }),
      'ledger',
      { code: 'STORE_UNAVAILABLE', message: expect.stringContaining('no such database') },
    ],
    [
      'a schema that is not there',
      () => server.url(),
      'nowhere',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('onefold ledger migrate') },
    ],
    [
      'a role without rights',
      () => server.url({ user: 'bare' }),
      'ledger',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('--role') },
    ],
    [
      'an older ledger',
      () => server.url(),
      'older',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('onefold ledger migrate') },
    ],
    [
      'a newer ledger',
      () => server.url(),
      'newer',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('update onefold') },
    ],
    [
      "another program's table",
      () => server.url(),
      'theirs',
      { code: 'STORE_UNSAFE', message: expect.stringContaining("another program's") },
    ],
    [
      "another program's table of the same name",
      () => server.url(),
      'theirs_too',
      { code: 'STORE_UNSAFE', message: expect.stringContaining("another program's") },
    ],
    [
      'another isolation level',
      () => server.url({ user: 'strict' }),
      'ledger',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('read committed') },
    ],
    [
      'transactions that may only read',
      () => server.url({ user: 'reader' }),
      'ledger',
      { code: 'STORE_UNSAFE', message: expect.stringContaining('default_transaction_read_only') },
    ],
  ]
  for (const name of ['pg', 'postgres'] as const) {
    it.each(CASES)(`%s, with ${name}`, async (_, url, schema, error) => {
      const store = storeOn(url(), schema, name)
      await expect(store.open()).rejects.toMatchObject({ effect: 'none', ...error })
      await expect(async () => await store.read('k', 't')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })

    it(`a server that is not there, with ${name}`, async () => {
      const store = storeOn(`postgres://postgres@127.0.0.1:${await freePort()}/postgres`, 'ledger', name)
      await expect(store.open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    })
  }

  it('a database that is made read only under an open ledger: doctor says so', async () => {
    await asOwner(server.url(), 'CREATE DATABASE shut')
    const owner = CLIENTS.pg(server.url({ database: 'shut' }), 1)
    await migratePostgres(owner.client, { schema: 'ledger' })
    await owner.end()
    const store = storeOn(server.url({ database: 'shut' }))
    await store.open()
    const unfit = async (): Promise<object[]> => (await store.doctor()).filter(({ ok }) => !ok)
    expect(await unfit()).toEqual([])
    await asOwner(
      server.url(),
      `ALTER DATABASE shut SET default_transaction_read_only = on;
       SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shut'`,
    )
    await expect
      .poll(() => unfit().catch(() => []), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ found: 'transactions begin as read only', unsafe: true }))
    await store.close()
  })

  it('a migration never touches another program’s schema or a newer ledger', async () => {
    const owner = CLIENTS.pg(server.url(), 1)
    clients.push(owner)
    for (const schema of ['theirs', 'theirs_too', 'newer'])
      await expect(migratePostgres(owner.client, { schema })).rejects.toMatchObject({ code: 'STORE_UNSAFE' })
    const left = await asOwner(
      server.url(),
      "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'theirs'",
    )
    expect(left).toHaveLength(1)
  })

  it('a role that there is not: no ledger is left behind, as the error says', async () => {
    const owner = CLIENTS.pg(server.url(), 1)
    clients.push(owner)
    const given = { schema: 'unserved', role: 'nobody' }
    await expect(migratePostgres(owner.client, given)).rejects.toThrow(/"nobody" does not exist.*Nothing was written/)
    await expect(migratePostgres(owner.client, { schema: 'unserved' })).resolves.toMatchObject({ from: 0 })
  })

  it('several migrations at once are one', async () => {
    const owners = (['pg', 'postgres', 'pg'] as const).map((name) => CLIENTS[name](server.url(), 1))
    clients.push(...owners)
    await Promise.all(owners.map(({ client }) => migratePostgres(client, { schema: 'at_once', role: 'bare' })))
    await expect(storeOn(server.url({ user: 'bare' }), 'at_once').open()).resolves.toBeUndefined()
  })

  it.each(['', 'Upper', '1st', 'a-b', 'x"; DROP SCHEMA public', 'pg_mine', 'x'.repeat(49)])(
    'the schema name %j',
    (schema) => {
      const { client } = CLIENTS.pg(server.url(), 1)
      expect(() => postgresStore({ client, schema })).toThrow('cannot be used')
    },
  )

  it('something that is no pool', () => {
    const single = new pg.Client({ connectionString: server.url() }) as unknown as PostgresClient
    expect(() => postgresStore({ client: single })).toThrow('new Pool')
  })

  it.each([
    ['column', postgres.camel],
    ['column', { column: postgres.toPascal }],
    ['value', { value: String }],
    ['row', { row: { from: Object.freeze } }],
  ])('a client that changes what it reads: its %s', async (of, transform) => {
    const client = postgres(server.url(), { transform })
    const refused = { code: 'CONFIG_INVALID', message: expect.stringContaining(`transform.${of}`) }
    expect(() => postgresStore({ client })).toThrow(expect.objectContaining(refused))
    await expect(migratePostgres(client)).rejects.toMatchObject(refused)
  })

  it('but not one that only changes what it writes', async () => {
    const client = postgres(server.url(), { transform: { undefined: null, column: { to: postgres.fromCamel } } })
    await expect(postgresStore({ client, schema: 'ledger' }).open()).resolves.toBeUndefined()
    await client.end()
  })

  it('a server that does not keep what it acknowledges', async () => {
    await asOwner(server.url(), 'ALTER SYSTEM SET fsync = off')
    await asOwner(server.url(), 'SELECT pg_reload_conf()')
    try {
      await expect
        .poll(() =>
          storeOn(server.url())
            .open()
            .then(
              () => 'opened',
              (error: Error) => error.message,
            ),
        )
        .toContain('fsync = off')
    } finally {
      await asOwner(server.url(), 'ALTER SYSTEM RESET fsync')
      await asOwner(server.url(), 'SELECT pg_reload_conf()')
    }
    await expect
      .poll(() =>
        storeOn(server.url())
          .open()
          .then(
            () => 'opened',
            () => 'refused',
          ),
      )
      .toBe('opened')
  })

  it('synchronous_commit = off is overruled: what was acknowledged outlives a killed server; the control does not', async () => {
    const url = server.url({ user: 'careless' })
    const store = storeOn(url)
    await store.open()
    await asOwner(
      server.url(),
      'CREATE TABLE public.control (n int); GRANT ALL ON public.control TO careless; CHECKPOINT',
    )
    const write = {
      key: 'kept',
      tenant: 't',
      expect: 0,
      draft: {
        key: 'kept',
        tenant: 't',
        state: 'claimed',
        tool: 'x',
        fence: 0,
        leaseMs: 1,
        firstSendAt: 0,
        doubtAt: 0,
        createdAt: 'now',
        evidence: [],
        children: [],
      },
      event: { transition: 'T1', from: 'absent', to: 'claimed', fence: 0, nonce: 'n', who: 'w', openSends: 0 },
    } as unknown as Parameters<Store['write']>[0]
    expect((await store.write(write)).applied).toBe(true)
    await asOwner(url, 'INSERT INTO public.control VALUES (1)')
    await server.kill()
    await server.start()
    expect(await asOwner(server.url(), "SELECT FROM ledger.records WHERE key = 'kept'")).toHaveLength(1)
    expect(await asOwner(server.url(), 'SELECT FROM public.control')).toHaveLength(0)
  })

  describe('on the command line', () => {
    const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
    const onefold = (...args: readonly string[]): { status: number | null; text: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
        encoding: 'utf8',
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
      })
      return { status, text: stdout + stderr }
    }

    it('migrates, grants, examines and counts a ledger, and never prints the password', () => {
      const owner = `${server.url({ password: 'secret' })}?schema=by_hand`
      const role = `${server.url({ user: 'bare', password: 'secret' })}?schema=by_hand`
      const texts = [
        onefold('doctor', '--store', role),
        onefold('ledger', 'migrate', '--store', owner, '--role', 'bare'),
        onefold('ledger', 'migrate', '--store', owner),
        onefold('doctor', '--store', role),
        onefold('ledger', 'stats', '--store', role, '--json'),
      ]
      expect(
        texts.map(({ status }) => status),
        texts.map(({ text }) => text).join('\n'),
      ).toEqual([1, 0, 0, 0, 0])
      expect(texts[0]?.text).toContain('onefold ledger migrate')
      expect(texts.some(({ text }) => text.includes('secret'))).toBe(false)
    })

    it('says what is wrong, with the exit code for a store that is not available', () => {
      const { status, text } = onefold('ledger', 'list', '--store', server.url({ user: 'locked', password: 'wrong' }))
      expect([status, text]).toEqual([3, expect.stringContaining('check user and password')])
    })
  })
})
