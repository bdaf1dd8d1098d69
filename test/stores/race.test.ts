import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { dynamodbStore } from '../../src/store/dynamodb/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { CLIENTS, type ClientName } from '../postgres/clients.ts'
import { temporaryFolder } from '../support/guard.ts'
import { postgresVersions, startPostgres } from '../support/postgres-server.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'
import { serverProgram } from '../support/servers/absence.ts'
import { startDynalite } from '../support/servers/dynalite.ts'
import { race } from './race.ts'

/** In `npm test` few, since nearly all of the time is the servers'. `CLAIMS=100000` is the long form. */
const CLAIMS = process.env['CLAIMS']
const RACERS = 4

/** Four stores with a connection each, on one fresh ledger; `later` registers what is to be ended. */
type Opened = (later: (end: () => Promise<unknown> | void) => void) => Promise<readonly Store[]>

const four = <T>(make: (n: number) => T): T[] => Array.from({ length: RACERS }, (_, n) => make(n))

interface Ledger {
  readonly name: string
  readonly missing?: boolean
  readonly claims: number
  /** Keys that are raced for at the same moment. */
  readonly atOnce: number
  readonly open: Opened
}

const LEDGERS: readonly Ledger[] = [
  {
    name: 'SQLite',
    claims: 4_000,
    atOnce: 500,
    open: async (later) => {
      const folder = temporaryFolder()
      later(() => folder.remove())
      return four(() => sqliteStore(join(folder.path, 'ledger.db')))
    },
  },
  {
    name: 'Postgres, through two kinds of client',
    missing: postgresVersions().length === 0,
    claims: 4_000,
    atOnce: 500,
    open: async (later) => {
      const server = await startPostgres(postgresVersions().at(-1) as 18)
      later(() => server.close())
      const names: readonly ClientName[] = ['pg', 'postgres']
      const clients = four((n) => CLIENTS[names[n % names.length] as ClientName](server.url()))
      for (const client of clients) later(() => client.end())
      await migratePostgres((clients[0] as (typeof clients)[0]).client, {})
      return clients.map(({ client }) => postgresStore({ client }))
    },
  },
  {
    name: 'Redis, through three kinds of client',
    missing: serverProgram(REDIS) === undefined,
    claims: 4_000,
    atOnce: 500,
    open: async (later) => {
      const server = await startRedis({ appendonly: 'yes', appendfsync: 'everysec' })
      later(() => server.close())
      const packs = four((n) => REDIS_CLIENTS[n % REDIS_CLIENTS.length] as (typeof REDIS_CLIENTS)[0])
      const clients = await Promise.all(packs.map((pack) => pack.open(server.url())))
      for (const client of clients) later(() => client.end())
      return clients.map(({ client }) => redisStore({ client }))
    },
  },
  {
    name: 'DynamoDB, on dynalite',
    claims: 800,
    atOnce: 40,
    open: async (later) => {
      const server = await startDynalite()
      later(() => server.close())
      const table = await server.table()
      return four(() => dynamodbStore({ client: server.client(), table, deadlineMs: 600_000 }))
    },
  },
]

describe('Racing claims have one winner per key', () => {
  const ends: (() => Promise<unknown> | void)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  for (const { name, missing = false, claims: few, atOnce, open } of LEDGERS) {
    it.skipIf(missing)(`in ${name}`, { timeout: 3_600_000 }, async () => {
      const stores = await open((end) => ends.push(end))
      for (const store of stores) {
        await store.open()
        ends.push(() => store.close())
      }
      const startedAt = performance.now()
      const { keys, claims, wrong, states } = await race(stores, Number(CLAIMS ?? few), atOnce)
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      process.stdout.write(`${name}: ${claims} claims of ${keys} keys in ${seconds} s, ${wrong.length} wrong\n`)
      expect(wrong).toEqual([])
      expect(states).toEqual({ executing: keys })
    })
  }
})
