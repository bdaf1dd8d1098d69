import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import pg from 'pg'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { claimOf } from '../support/claim.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS } from './clients.ts'

const NEWEST = postgresVersions().at(-1)
const KEY = 'of1_contested'

/** Whoever looks at a record waits at this gate while it is shut: row-level security runs for every row that is seen. */
const GATE = `
  CREATE FUNCTION ledger.gate() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
  BEGIN
    PERFORM pg_advisory_lock_shared(1);
    PERFORM pg_advisory_unlock_shared(1);
    RETURN true;
  END $$;
  ALTER TABLE ledger.records ENABLE ROW LEVEL SECURITY;
  CREATE POLICY gate ON ledger.records TO serves USING (ledger.gate()) WITH CHECK (true);
`
const WAITING = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

describe.skipIf(NEWEST === undefined)('a claim that Postgres refuses', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    await asOwner(server.url(), 'CREATE ROLE serves LOGIN')
    const owner = CLIENTS.pg(server.url(), 1)
    await migratePostgres(owner.client, { schema: 'ledger', role: 'serves' })
    await owner.end()
  })
  afterAll(async () => await server.close())

  it('shows the record that stood against it, also when that is purged in the same moment', async () => {
    const { client, end } = CLIENTS.pg(server.url({ user: 'serves' }))
    const store = postgresStore({ client, schema: 'ledger' })
    const owner = new pg.Client({ connectionString: server.url() })
    await owner.connect()
    try {
      await store.open()
      // Only now: a ledger with hidden rows is refused when it is opened.
      await asOwner(server.url(), GATE)
      const { record: first } = await store.write(claimOf(KEY, 'first'))
      await owner.query('SELECT pg_advisory_lock(1)')
      const second = store.write(claimOf(KEY, 'second'))
      await expect.poll(async () => (await owner.query(WAITING)).rowCount, { interval: 5, timeout: 10_000 }).toBe(1)
      await owner.query('DELETE FROM ledger.records')
      await owner.query('SELECT pg_advisory_unlock(1)')
      expect(await second).toMatchObject({ applied: false, record: { nonce: first?.nonce } })
      expect((await store.read(KEY, 't')).record).toBeUndefined()
    } finally {
      await owner.end()
      await store.close()
      await end()
    }
  })
})
