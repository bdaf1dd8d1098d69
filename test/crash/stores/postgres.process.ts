import pg from 'pg'
import { postgresStore } from '../../../src/store/postgres/index.ts'
import { runChild } from '../child.ts'

const DEADLINE_MS = 450

await runChild(async (ledger) => {
  const { url, schema } = JSON.parse(ledger) as { url: string; schema: string }
  const pool = new pg.Pool({ connectionString: url, max: 3 })
  return {
    store: postgresStore({ client: pool, schema, deadlineMs: DEADLINE_MS }),
    async lock() {
      const other = new pg.Client({ connectionString: url })
      await other.connect()
      await other.query(`BEGIN; LOCK TABLE ${schema}.records IN EXCLUSIVE MODE`)
      return () => void other.end()
    },
    close: () => pool.end(),
  }
})
