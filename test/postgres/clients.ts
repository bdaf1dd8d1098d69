import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import postgres from 'postgres'
import type { PostgresClient } from '../../src/store/postgres/index.ts'

/** A client of either package, with its end. */
export interface OpenedClient {
  readonly client: PostgresClient
  end(): Promise<void>
}

export type ClientName = 'pg' | 'postgres'

export const CLIENTS: Readonly<Record<ClientName, (url: string, max?: number) => OpenedClient>> = {
  pg(url, max = 6) {
    const pool = new pg.Pool({ connectionString: url, max, connectionTimeoutMillis: 2_000 })
    // A connection whose network is dead never says goodbye.
    return { client: pool, end: () => Promise.race([pool.end(), pause(1_000)]) }
  },
  postgres(url, max = 6) {
    const sql = postgres(url, {
      max,
      backoff: () => 0.05,
      onnotice: () => undefined,
      fetch_types: false,
      connect_timeout: 2,
    })
    return { client: sql, end: () => sql.end({ timeout: 1 }) }
  },
}

/** One statement as the superuser, on a connection of its own. */
export async function asOwner<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const result = await client.query<Row>(text)
    return result.rows
  } finally {
    await client.end()
  }
}
