import pg from 'pg'
import { InProgress, type Contender } from '../contender.ts'

/** INSERT, the effect, UPDATE: each a commit of its own on the primary's disk. */
const floor: Contender = {
  name: 'floor: pg INSERT + UPDATE',
  store: 'postgres',
  floor: true,
  async make({ postgresUrl, prefix, leaseMs }) {
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 16 })
    pool.on('error', () => undefined)
    const table = `floor_${prefix.replaceAll(/\W/gu, '_')}`
    await pool
      .query(`CREATE TABLE IF NOT EXISTS ${table} (key text PRIMARY KEY, answer text, until timestamptz NOT NULL)`)
      .catch(ignoreRace)
    const claim = {
      name: 'claim',
      text: `INSERT INTO ${table} AS calls (key, until) VALUES ($1, clock_timestamp() + $2 * interval '1 ms')
        ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE calls.answer IS NULL AND calls.until <= clock_timestamp()`,
    }
    return {
      async call(key, effect) {
        const { rowCount } = await pool.query({ ...claim, values: [key, leaseMs] })
        if (rowCount === 0) {
          const { rows } = await pool.query({
            name: 'read',
            text: `SELECT answer FROM ${table} WHERE key = $1`,
            values: [key],
          })
          const [row] = rows as { answer: string | null }[]
          if (row === undefined || row.answer === null) throw new InProgress(key)
          return JSON.parse(row.answer)
        }
        const value = await effect({ send: fetch })
        await pool.query({
          name: 'record',
          text: `UPDATE ${table} SET answer = $2 WHERE key = $1`,
          values: [key, JSON.stringify(value)],
        })
        return value
      },
      close: () => pool.end(),
    }
  },
}

/** Two processes that create one table at once. */
function ignoreRace(error: unknown): void {
  if ((error as { code?: string }).code !== '23505') throw error
}

export const contenders: readonly Contender[] = [floor]
