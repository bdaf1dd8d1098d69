import pg from 'pg'
import { migratePostgres, postgresStore } from '../../../src/store/postgres/index.ts'
import type { Contender } from '../contender.ts'
import { oursOn } from '../ours.ts'

export const contenders: readonly Contender[] = oursOn('postgres', 'postgres (pg)', async ({ postgresUrl, prefix }) => {
  const client = new pg.Pool({ connectionString: postgresUrl, max: 16 })
  client.on('error', () => undefined)
  const schema = `ours_${prefix}`.toLowerCase()
  await migratePostgres(client, { schema })
  return { store: postgresStore({ client, schema }), end: () => client.end() }
})
