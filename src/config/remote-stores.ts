import { dynamodb } from './dynamodb-url.ts'
import { loadClient, noClient, type RemoteKind } from './remote-store.ts'
import type { PgPool, PostgresClient, PostgresJs } from '../store/postgres/index.ts'

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

export const REMOTE_KINDS: readonly RemoteKind[] = [dynamodb, postgres]

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
