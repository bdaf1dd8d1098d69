import pg from 'pg'
import { migratePostgres } from '../../../src/store/postgres/index.ts'
import { postgresVersions, startPostgres } from '../../support/postgres-server.ts'
import type { CrashStore } from './store.ts'

/** Waves whose ledgers are still looked into; the schemas of older ones go. */
const KEPT = 8

export const postgres: CrashStore = {
  name: 'postgres',
  program: new URL('./postgres.process.ts', import.meta.url),
  async start() {
    const version = postgresVersions().at(-1)
    if (version === undefined) return undefined
    const server = await startPostgres(version)
    const pool = new pg.Pool({ connectionString: server.url(), max: 1 })
    let waves = 0
    return {
      async ledger() {
        const schema = `wave_${(waves += 1)}`
        await migratePostgres(pool, { schema })
        if (waves > KEPT) await pool.query(`DROP SCHEMA IF EXISTS wave_${waves - KEPT} CASCADE`)
        return JSON.stringify({ url: server.url(), schema })
      },
      async close() {
        await pool.end()
        await server.close()
      },
    }
  },
}
