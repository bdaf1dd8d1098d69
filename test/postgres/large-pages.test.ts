import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ListPage, Store } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'

const NEWEST = postgresVersions().at(-1)
const RECORDS = 24
const BODY_BYTES = 900_000
const PAGE_BYTES = 4 * 1024 * 1024

describe.skipIf(NEWEST === undefined)('records of nearly 1 MiB each', () => {
  let server: PostgresServer
  let pool: pg.Pool
  let store: Store

  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    pool = new pg.Pool({ connectionString: server.url(), max: 4 })
    await migratePostgres(pool)
    store = postgresStore({ client: pool })
    await store.open()
    await pool.query(
      `INSERT INTO onefold.records (id, key, tenant, tool, state, revision, fence, lease_until, first_send_at, doubt_at,
         created_at, updated_at, early, body, events)
       SELECT n, 'of1_' || n, 'default', 'upload', CASE WHEN n % 2 = 0 THEN 'in-doubt' ELSE 'committed' END, n, n, 0, 0, 0, 0, 0,
         n, json_build_object('input', repeat('x', ${BODY_BYTES}))::text, '' FROM generate_series(1, ${RECORDS}) AS n`,
    )
  })
  afterAll(async () => {
    await store.close()
    await pool.end()
    await server.close()
  })

  const LISTS: Readonly<Record<string, (after: string | undefined) => Promise<ListPage>>> = {
    'the work list': (after) => store.due(200, after),
    'what retention looks at': (after) => store.closed(500, after),
    'a listing': (after) => store.list({ tenant: 'default', limit: 100, ...(after === undefined ? {} : { after }) }),
  }
  it.each(Object.keys(LISTS))(
    '%s comes in pages that are small enough for one answer, each record once',
    async (name) => {
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await (LISTS[name] as (typeof LISTS)[string])(after)
        expect(page.records.length).toBeGreaterThan(0)
        expect((page.records.length - 1) * BODY_BYTES).toBeLessThan(PAGE_BYTES)
        seen.push(...page.records.map(({ key }) => key))
        after = page.next
      } while (after !== undefined)
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen.length).toBe(name === 'a listing' ? RECORDS : RECORDS / 2)
    },
  )
})
