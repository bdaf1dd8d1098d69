import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, expect, it } from 'vitest'
import pg from 'pg'
import type { ListPage, Store } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { claimOf } from '../support/claim.ts'
import { temporaryFolder } from '../support/guard.ts'
import { postgresVersions, startPostgres } from '../support/postgres-server.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'

const RECORDS = 24
const INPUT_BYTES = 900_000
const PAGE_BYTES = 4 * 1024 * 1024

/** Records with a large input each, every other one in doubt, the rest done; their keys in order. */
async function fill(store: Store): Promise<readonly string[]> {
  await store.open()
  const keys = Array.from({ length: RECORDS }, (_, n) => `of1_large_${n}`)
  for (const [n, key] of keys.entries()) {
    const { draft, ...write } = claimOf(key, `w${n}`, { leaseMs: 0 })
    if (draft === undefined) throw new Error('a claim has a draft')
    const state = n % 2 === 0 ? ('in-doubt' as const) : ('committed' as const)
    await store.write({ ...write, draft: { ...draft, state, input: 'x'.repeat(INPUT_BYTES) } })
  }
  return keys
}

type Page = (store: Store, after: string | undefined) => Promise<ListPage>
const PAGES: readonly (readonly [what: string, share: number, page: Page])[] = [
  ['the work list', 2, (store, after) => store.due(200, after)],
  ['what retention looks at', 2, (store, after) => store.closed(500, after)],
  [
    'a listing',
    1,
    (store, after) => store.list({ tenant: 't', limit: 100, ...(after === undefined ? {} : { after }) }),
  ],
]

/** Follows the pages to their end. @param endsEmpty true where several parts are put together, of which one was cut at its end */
async function seen(store: Store, page: Page, endsEmpty: boolean): Promise<readonly string[]> {
  const keys: string[] = []
  let after: string | undefined
  do {
    const { records, next } = await page(store, after)
    if (!endsEmpty || next !== undefined) expect(records.length).toBeGreaterThan(0)
    expect((records.length - 1) * INPUT_BYTES).toBeLessThan(PAGE_BYTES)
    keys.push(...records.map(({ key }) => key))
    after = next
  } while (after !== undefined)
  return keys
}

async function expectPages(store: Store, endsEmpty = false): Promise<void> {
  const keys = await fill(store)
  for (const [what, share, page] of PAGES) {
    const found = await seen(store, page, endsEmpty)
    expect(found.length, what).toBe(RECORDS / share)
    expect(
      found.toSorted((one, other) => keys.indexOf(one) - keys.indexOf(other)),
      what,
    ).toEqual(found)
    expect(new Set(found).size, what).toBe(found.length)
  }
  await store.close()
}

const folder = temporaryFolder()
afterAll(() => folder.remove())

it('records of nearly 1 MiB come in pages that are small enough for one answer: sqlite', async () => {
  await expectPages(sqliteStore(join(folder.path, 'large.db')))
})

describeWithServer(REDIS, 'records of nearly 1 MiB come in pages that are small enough for one answer', () => {
  const ends: (() => unknown)[] = []
  afterAll(() => Promise.all(ends.map((end) => end())))

  it.each([1, 3])('redis, %s partitions', async (partitions) => {
    const server = await startRedis()
    const client = new Redis(server.url())
    ends.push(() => client.disconnect(), server.close)
    await expectPages(redisStore({ client, partitions }), partitions > 1)
  })
})

const NEWEST = postgresVersions().at(-1)
it.skipIf(NEWEST === undefined)(
  'records of nearly 1 MiB come in pages that are small enough for one answer: postgres',
  async () => {
    const server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    const pool = new pg.Pool({ connectionString: server.url(), max: 4 })
    try {
      await migratePostgres(pool)
      await expectPages(postgresStore({ client: pool }))
    } finally {
      await pool.end()
      await server.close()
    }
  },
)
