import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { storeSuite } from '../../src/testing/index.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS, type ClientName, type OpenedClient } from './clients.ts'

/** Every case runs as a role with no more than the granted rights. */
const ROLE = 'serves_ledgers'

for (const version of postgresVersions()) {
  describe(`Postgres ${version} [OR-11]`, () => {
    let server: PostgresServer
    let schemas = 0
    beforeAll(async () => {
      server = await startPostgres(version)
      await asOwner(server.url(), `CREATE ROLE ${ROLE} LOGIN`)
    })
    afterAll(async () => await server.close())

    for (const name of Object.keys(CLIENTS) as ClientName[]) {
      storeSuite(
        `postgres ${version} with ${name}`,
        {
          means: ['crash', 'another', 'obstruct', 'contents'],
          async open() {
            const schema = `ledger_${name}_${(schemas += 1)}`
            const owner = CLIENTS[name](server.url(), 1)
            await migratePostgres(owner.client, { schema, role: ROLE })
            await owner.end()
            const clients: OpenedClient[] = []
            const stores: ReturnType<typeof postgresStore>[] = []
            async function start(): Promise<ReturnType<typeof postgresStore>> {
              const opened = CLIENTS[name](server.url({ user: ROLE }))
              clients.push(opened)
              const store = postgresStore({ client: opened.client, schema })
              await store.open()
              stores.push(store)
              return store
            }
            const store = await start()
            return {
              store,
              another: start,
              async crash() {
                await server.kill()
                await server.start()
                return await start()
              },
              async obstruct() {
                const other = new pg.Client({ connectionString: server.url() })
                await other.connect()
                await other.query(`BEGIN; LOCK TABLE ${schema}.records IN EXCLUSIVE MODE`)
                return async () => {
                  await other.end()
                  await pause(0)
                }
              },
              async contents() {
                const other = new pg.Client({ connectionString: server.url() })
                await other.connect()
                const texts: string[] = []
                for (const table of ['records', 'events', 'payloads', 'blobs', 'outbox', 'writers', 'meta']) {
                  const { rows } = await other.query(`SELECT to_json(t)::text AS row FROM ${schema}.${table} t`)
                  texts.push(...rows.map(({ row }: { row: string }) => row))
                }
                await other.end()
                return texts.join('\n')
              },
              async close() {
                await Promise.all(stores.map((each) => each.close()))
                await Promise.all(clients.map((each) => each.end()))
                await asOwner(server.url(), `DROP SCHEMA ${schema} CASCADE`)
              },
            }
          },
        },
        { describe, it, afterAll },
      )
    }
  })
}
