import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { Redis } from 'ioredis'
import { redisStore } from '../../src/store/redis/index.ts'
import { serverProgram } from '../support/servers/absence.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'
import { postgresVersions, startPostgres } from '../support/postgres-server.ts'

/** Ledgers of one kind: a fresh one for every mark; opened again under its mark it holds what it held. */
export interface Ledgers {
  readonly open: (mark: string) => Store
  /** Ends the server, where there is one, and removes every ledger. */
  close(): Promise<void>
}

/** How ledgers of a kind are started; undefined where their server is not installed (one line has said so). */
export const LEDGERS = {
  memory: openMemory,
  sqlite: openSqlite,
  postgres: openPostgres,
  redis: openRedis,
} satisfies Record<string, () => Promise<Ledgers | undefined> | Ledgers>

export type LedgerKind = keyof typeof LEDGERS

function openMemory(): Ledgers {
  const kept = new Map<string, Store>()
  return {
    open: (mark) => {
      const store = kept.get(mark) ?? memoryStore()
      kept.set(mark, store)
      return store
    },
    close: () => Promise.resolve(),
  }
}

function openSqlite(): Ledgers {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-scenarios-'))
  return {
    open: (mark) => sqliteStore(join(folder, `${mark}.db`)),
    close: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  }
}

async function openPostgres(): Promise<Ledgers | undefined> {
  const version = postgresVersions()[0]
  if (version === undefined) return undefined
  const server = await startPostgres(version)
  const pool = new pg.Pool({ connectionString: server.url(), max: 12 })
  return {
    open: (mark) => {
      const schema = mark.toLowerCase().replaceAll('-', '_')
      const store = postgresStore({ client: pool, schema })
      const open = async (): Promise<void> => {
        await migratePostgres(pool, { schema })
        await store.open()
      }
      return { ...store, open }
    },
    close: async () => {
      await pool.end()
      await server.close()
    },
  }
}

async function openRedis(): Promise<Ledgers | undefined> {
  if (serverProgram(REDIS) === undefined) return undefined
  const server = await startRedis()
  const client = new Redis(server.url())
  return {
    open: (mark) => redisStore({ client, prefix: mark }),
    close: async () => {
      client.disconnect()
      await server.close()
    },
  }
}
