import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { claimOf } from '../support/claim.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner } from './clients.ts'

const NEWEST = postgresVersions().at(-1)
const LISTENING = "pg_stat_activity WHERE query LIKE 'LISTEN%'"

describe.skipIf(NEWEST === undefined)('a pool of pg that listens', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    const owner = new pg.Pool({ connectionString: server.url(), max: 1 })
    for (const schema of ['one', 'other']) await migratePostgres(owner, { schema })
    await owner.end()
  })
  afterAll(async () => await server.close())

  const poolOf = (max: number): pg.Pool => new pg.Pool({ connectionString: server.url(), max })
  const listening = async (): Promise<number> => (await asOwner(server.url(), `SELECT FROM ${LISTENING}`)).length

  it.each([
    [1, ['one']],
    [2, ['one', 'other']],
  ])('of %i connections leaves one for what is written', async (max, schemas) => {
    const pool = poolOf(max)
    const stores = schemas.map((schema) => postgresStore({ client: pool, schema }))
    for (const store of stores) {
      await store.open()
      store.watch?.('awaited', () => {})
    }
    for (const store of stores)
      expect(await store.write(claimOf(`key-${max}`, 'first'))).toMatchObject({ applied: true })
    expect(await listening()).toBe(max - 1)
    for (const store of stores) await store.close()
    await pool.end()
  })

  it('of one connection: the doctor says that waiting callers poll', async () => {
    const pool = poolOf(1)
    const store = postgresStore({ client: pool, schema: 'one' })
    await store.open()
    expect(await store.doctor?.()).toContainEqual(
      expect.objectContaining({ check: 'notifications', ok: false, fix: expect.stringContaining('two connections') }),
    )
    await store.close()
    await pool.end()
  })

  it('gives back the connection that comes about when the store has been closed', async () => {
    const pool = poolOf(4)
    const store = postgresStore({ client: pool, schema: 'one' })
    await store.open()
    store.watch?.('awaited', () => {})
    await expect.poll(listening, { timeout: 20_000 }).toBe(1)
    let asked = (): void => {}
    const asking = new Promise<void>((resolve) => (asked = resolve))
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => (go = resolve))
    const connect = pool.connect.bind(pool)
    pool.connect = (async () => {
      asked()
      await gone
      return await connect()
    }) as typeof pool.connect
    await asOwner(server.url(), `SELECT pg_terminate_backend(pid) FROM ${LISTENING}`)
    await asking
    const closed = store.close()
    go()
    await closed
    await pool.end()
    expect(await listening()).toBe(0)
  })
})
