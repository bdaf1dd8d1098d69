import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { claimOf } from '../support/claim.ts'
import { testGuard } from '../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS, type ClientName, type OpenedClient } from './clients.ts'
import { orderTool, SHOP_TABLES, shopRights } from './shop.ts'

const NEWEST = postgresVersions().at(-1)
const ROLE = 'app'

describe.skipIf(NEWEST === undefined)('a ledger that is hidden, or there in part', () => {
  let server: PostgresServer
  let names = 0
  const clients: OpenedClient[] = []

  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    await asOwner(
      server.url(),
      `CREATE ROLE ${ROLE} LOGIN; CREATE ROLE odd LOGIN IN ROLE ${ROLE}; ALTER ROLE odd SET array_nulls = off;
       ${SHOP_TABLES} ${shopRights(ROLE)}`,
    )
  })
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await server.close()
  })

  const asIs = (text: string): Promise<unknown> => asOwner(server.url(), text)

  async function newSchema(): Promise<string> {
    const schema = `damaged_${(names += 1)}`
    const owner = CLIENTS.pg(server.url(), 1)
    await migratePostgres(owner.client, { schema, role: ROLE })
    await owner.end()
    return schema
  }

  function storeOn(schema: string, name: ClientName = 'pg', user: string = ROLE) {
    const opened = CLIENTS[name](server.url({ user }))
    clients.push(opened)
    return postgresStore({ client: opened.client, schema })
  }

  it.each([
    ['rows of records are hidden', 'ALTER TABLE $.records ENABLE ROW LEVEL SECURITY', 'Row level security', ROLE],
    ['the row of meta is hidden', 'ALTER TABLE $.meta ENABLE ROW LEVEL SECURITY', 'Row level security', ROLE],
    ['the row of meta is gone', 'DELETE FROM $.meta', 'The table meta of the ledger', ROLE],
    ['the table meta is gone', 'DROP TABLE $.meta', 'The table meta of the ledger', ROLE],
    ['the sequence did not come along', 'ALTER SEQUENCE $.sequence RESTART', "SELECT setval('$.sequence', 1)", ROLE],
    ['nulls in arrays are texts', '', 'array_nulls', 'odd'],
  ])('where %s it is refused, with what to do', async (_, damage, said, user) => {
    const schema = await newSchema()
    const before = storeOn(schema)
    await before.open()
    await before.write(claimOf('a', 'one'))
    await before.close()
    await asIs(damage.replace('$', schema))
    await expect(storeOn(schema, 'pg', user).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining(said.replace('$', schema)) as string,
    })
  })

  it('the doctor of an open one says so', async () => {
    const schema = await newSchema()
    const store = storeOn(schema)
    await store.open()
    await store.write(claimOf('a', 'one'))
    await asIs(
      `ALTER TABLE ${schema}.records ENABLE ROW LEVEL SECURITY; ALTER SEQUENCE ${schema}.sequence RESTART WITH 1`,
    )
    const unfit = (await store.doctor()).filter(({ unsafe }) => unsafe === true).map(({ check }) => check)
    expect(unfit).toEqual(['row level security', 'sequence'])
    await store.close()
  })

  it('the doctor of an open one names a right to the sequence that was taken back', async () => {
    const schema = await newSchema()
    const store = storeOn(schema)
    await store.open()
    await asIs(`REVOKE ALL ON SEQUENCE ${schema}.sequence FROM ${ROLE}`)
    const unfit = (await store.doctor()).filter(({ unsafe }) => unsafe === true)
    expect(unfit).toMatchObject([{ check: 'rights', found: 'missing: USAGE on sequence' }])
    await store.close()
  })

  it("is served where another program's table in its schema hides rows", async () => {
    const schema = await newSchema()
    await asIs(
      `CREATE TABLE ${schema}.other (id int); GRANT SELECT ON ${schema}.other TO ${ROLE};
       ALTER TABLE ${schema}.other ENABLE ROW LEVEL SECURITY`,
    )
    const store = storeOn(schema)
    await store.open()
    expect((await store.doctor()).filter(({ unsafe }) => unsafe === true)).toEqual([])
    await store.close()
  })

  for (const name of ['pg', 'postgres'] as const) {
    it(`an effect in the database is not committed without its record, with ${name}`, async () => {
      const schema = await newSchema()
      const guard = testGuard({ store: storeOn(schema, name) })
      let damaged = false
      const order = orderTool(guard, {
        schema,
        between: async () => {
          if (damaged) return
          damaged = true
          await asIs(`CREATE TABLE ${schema}.aside AS SELECT * FROM ${schema}.meta; DELETE FROM ${schema}.meta`)
        },
      })
      const ref = `damaged ${name}`
      const orders = async (): Promise<unknown> =>
        await asOwner(server.url(), `SELECT count(*)::int AS n FROM shop.orders WHERE ref = '${ref}'`)
      await expect(order({ ref })).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_|^IN_/) as string })
      expect(await orders()).toEqual([{ n: 0 }])
      await asIs(`INSERT INTO ${schema}.meta SELECT * FROM ${schema}.aside`)
      await expect
        .poll(
          () =>
            order({ ref }).then(
              () => 'done',
              () => 'not yet',
            ),
          { timeout: 10_000 },
        )
        .toBe('done')
      expect(await orders()).toEqual([{ n: 1 }])
      await guard.close()
    })
  }
})
