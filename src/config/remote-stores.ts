import type { Store } from '../engine/index.ts'
import { dynamodb } from './dynamodb-url.ts'
import { loadClient, noClient, type RemoteKind } from './remote-store.ts'
import type { PgPool, PostgresClient, PostgresJs } from '../store/postgres/index.ts'
import type { IoRedisConnection, NodeRedisClient, RedisClient } from '../store/redis/index.ts'

const CONNECTIONS = 8
const CONNECT_MS = 5_000

const postgres: RemoteKind = {
  name: 'postgres',
  schemes: ['postgres', 'postgresql'],
  check(url) {
    if (!URL.canParse(url)) return 'write postgres://user:password@host:5432/database?schema=onefold'
    return new URL(url).hostname === '' ? 'name a host, as postgres://user@host/database' : undefined
  },
  async open(url, folder) {
    const { migratePostgres, postgresStore } = await import('../store/postgres/index.ts')
    const parsed = new URL(url)
    const schema = parsed.searchParams.get('schema') ?? 'onefold'
    parsed.searchParams.delete('schema')
    const { client, end } = postgresClient(parsed.href, folder)
    const store = postgresStore({ client, schema })
    return {
      store: {
        ...store,
        close: async () => {
          await store.close()
          await end()
        },
      },
      migrate: ({ role }) => migratePostgres(client, { schema, ...(role === undefined ? {} : { role }) }),
      end,
    }
  },
}

const redis: RemoteKind = {
  name: 'redis',
  schemes: ['redis', 'rediss'],
  check(url) {
    if (!URL.canParse(url)) return 'write redis://user:password@host:6379/0?prefix=onefold'
    const { hostname, searchParams } = new URL(url)
    if (hostname === '') return 'name a host, as redis://host:6379'
    const odd = [...searchParams.keys()].find((name) => name !== 'prefix' && name !== 'appendfsync')
    if (odd !== undefined) return `it takes prefix and appendfsync behind the ?, not ${odd}`
    return [null, 'always'].includes(searchParams.get('appendfsync'))
      ? undefined
      : 'appendfsync can only be said to be always'
  },
  async open(url, folder, asItIs) {
    const { redisStore } = await import('../store/redis/index.ts')
    const parsed = new URL(url)
    const { searchParams } = parsed
    const prefix = searchParams.get('prefix') ?? 'onefold'
    const says = searchParams.get('appendfsync') === 'always' ? ({ appendfsync: 'always' } as const) : {}
    parsed.search = ''
    const { client, end } = redisClient(parsed.href, folder)
    const store = redisStore({ client, prefix, asItIs, ...says })
    const close = async (): Promise<void> => {
      await store.close()
      await end()
    }
    // What it guarantees is known once it is open, so that members must not be copied before.
    return { store: Object.assign(Object.create(store) as Store, { close }), end }
  },
}

export const REMOTE_KINDS: readonly RemoteKind[] = [dynamodb, postgres, redis]

interface IoRedisModule {
  readonly Redis: new (url: string) => IoRedisConnection
}
interface NodeRedisModule {
  createClient(options: { readonly url: string }): NodeRedisClient
}

function redisClient(url: string, folder: string): { readonly client: RedisClient; end(): Promise<void> } {
  const io = loadClient<IoRedisModule>('ioredis', folder) ?? loadClient<IoRedisModule>('iovalkey', folder)
  if (io !== undefined) {
    const client = new io.Redis(url)
    // Before the store listens: without a listener the client prints what it cannot reach.
    client.on('error', () => undefined)
    return { client, end: once(async () => client.disconnect()) }
  }
  const node = loadClient<NodeRedisModule>('redis', folder)
  if (node === undefined) throw noClient('redis', 'ioredis')
  const client = node.createClient({ url })
  return {
    client,
    end: once(async () => {
      if (client.isOpen) client.destroy()
    }),
  }
}

interface PgModule {
  readonly Pool: new (options: object) => PgPool & { end(): Promise<void> }
}
type PostgresModule = (url: string, options: object) => PostgresJs & { end(options: object): Promise<void> }

function postgresClient(url: string, folder: string): { readonly client: PostgresClient; end(): Promise<void> } {
  const pg = loadClient<PgModule>('pg', folder)
  if (pg !== undefined) {
    const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, connectionTimeoutMillis: CONNECT_MS })
    return { client: pool, end: once(() => pool.end()) }
  }
  const postgresJs = loadClient<PostgresModule>('postgres', folder)
  if (postgresJs === undefined) throw noClient('postgres', 'pg')
  const sql = postgresJs(url, {
    max: CONNECTIONS,
    connect_timeout: CONNECT_MS / 1000,
    onnotice: () => undefined,
    fetch_types: false,
  })
  return { client: sql, end: once(() => sql.end({ timeout: 1 })) }
}

function once(end: () => Promise<void>): () => Promise<void> {
  let ending: Promise<void> | undefined
  return () => (ending ??= end())
}
