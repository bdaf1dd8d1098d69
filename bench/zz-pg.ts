import pg from 'pg'
import { startPostgres } from '../test/support/postgres-server.ts'
import { claimOf } from '../test/support/claim.ts'
import { migratePostgres } from '../src/store/postgres/index.ts'
import { itemOf } from '../src/store/postgres/columns.ts'
import { writeStatement, writeValues } from '../src/store/postgres/write.sql.ts'
const server = await startPostgres(15, { fsync: process.env['FSYNC'] ?? 'on' })
const pool = new pg.Pool({ connectionString: server.url(), max: 2 })
await migratePostgres(pool, { schema: 'onefold' })
const client = await pool.connect()
const s = '"onefold"'
const fn = (w: string, name: string): string => `${s}.write(${Array.from({ length: 7 }, (_, n) => `$${n + 1}::text::text[]`).join(', ')}, $8::text::bigint[], ${name}, ($10::text::bigint[])[1], $11::boolean, $12::int) AS step`
const ISO = "current_setting('transaction_isolation') IN ('repeatable read', 'serializable')"
const texts: Record<string, string> = {
  old: `SELECT step.*, NULL::float8 AS lost FROM ${fn(s, '($9::text::text[])[1]')}`,
  now: writeStatement(s, 1),
  scalar: `SELECT step.*, memory.lost FROM (SELECT CASE WHEN m.known < ($10::text::bigint[])[1] THEN m.known::float8 END AS lost FROM
     (SELECT greatest(floor, (SELECT w.n FROM ${s}.writers w WHERE w.id = ($9::text::text[])[1])) AS known FROM ${s}.meta OFFSET 0) AS m) AS memory,
     LATERAL ${fn(s, `CASE WHEN memory.lost IS NULL OR ${ISO} THEN ($9::text::text[])[1] ELSE concat(($9::text::text[])[1], ' after a loss') END`)}`,
  two: writeStatement(s, 2),
  four: writeStatement(s, 4),
  inline: `SELECT step.*, NULL::float8 AS lost FROM ${fn(s, `(SELECT CASE WHEN greatest(m.floor, (SELECT w.n FROM ${s}.writers w WHERE w.id = ($9::text::text[])[1])) < ($10::text::bigint[])[1] THEN concat(($9::text::text[])[1], ' after a loss') ELSE ($9::text::text[])[1] END FROM ${s}.meta m)`)}`,
}
let n = 0
const times: Record<string, number[]> = Object.fromEntries(Object.keys(texts).map((k) => [k, []]))
for (let round = 0; round < 40; round += 1) {
  for (const [name, text] of Object.entries(texts)) {
    for (let i = 0; i < 50; i += 1) {
      const item = itemOf(claimOf(`k${(n += 1)}`, 'w'))
      const values = writeValues([item], { remembered: [{ id: 'me', acked: 1 }, { id: 'you', acked: 1 }, { id: 'he', acked: 1 }, { id: 'she', acked: 1 }], strict: false, patienceMs: 1000 })
      const t = performance.now()
      await client.query({ text, values: [...values], name })
      if (round > 1) times[name]!.push(performance.now() - t)
    }
  }
}
for (const [name, list] of Object.entries(times)) {
  list.sort((a, b) => a - b)
  console.log(name.padEnd(8), Math.round(list[list.length >> 1]! * 1000), Math.round(list[list.length >> 2]! * 1000))
}
const plans = await client.query('select name, generic_plans, custom_plans from pg_prepared_statements')
console.log(plans.rows)
client.release()
await pool.end()
await server.close()
