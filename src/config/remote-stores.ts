import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Store } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import type { PgPool, PostgresClient, PostgresJs } from '../store/postgres/index.ts'

/** A store on a server, opened by its URL with a client of the user's. Closing the store ends the client. */
export interface RemoteStore {
  readonly store: Store
  /** Brings the ledger's schema to this version, where the store has one. */
  readonly migrate?: (options: { readonly role?: string | undefined }) => Promise<{ from: number; to: number }>
  /** Ends the client, for a store that was never opened. */
  end(): Promise<void>
}

/** How URLs of one kind of server become a store. One entry a kind; nothing is loaded before it is chosen. */
export interface RemoteKind {
  readonly name: string
  readonly schemes: readonly string[]
  /** What is wrong with the URL; undefined when nothing is. */
  check(url: string): string | undefined
  /** @param folder where the user's packages are looked for first */
  open(url: string, folder: string): Promise<RemoteStore>
}

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

export const REMOTE_KINDS: readonly RemoteKind[] = [postgres]

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

/**
 * A package of the user's: from `folder`, else from beside this package; undefined where it is not installed.
 * None of them is a dependency of ours.
 */
export function loadClient<Module>(name: string, folder: string): Module | undefined {
  for (const from of [join(folder, 'package.json'), import.meta.url]) {
    const load = createRequire(from)
    try {
      load.resolve(name)
    } catch {
      continue
    }
    const loaded = load(name) as { readonly default?: Module }
    return loaded.default ?? (loaded as Module)
  }
  return undefined
}

/** Says which package to install. */
export const noClient = (scheme: string, name: string): OnefoldError =>
  new OnefoldError(
    'CONFIG_INVALID',
    `A ${scheme}: ledger needs the package ${name}, which is not installed here: npm install ${name}. Nothing was started.`,
  )
