/**
 * One process of the shop: places an order, or relays the outbox until it is empty, and kills itself where told.
 * Its only argument is a {@link ShopTask}. The naive forms are the controls.
 */
import { writeSync } from 'node:fs'
import pg from 'pg'
import { downstreamFetch } from '../../src/downstream/index.ts'
import { createGuard, type FaultPoint } from '../../src/engine/index.ts'
import { postgresStore } from '../../src/store/postgres/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../src/system/index.ts'
import { QUICK } from '../support/guard.ts'
import { CLIENTS, type ClientName } from './clients.ts'
import { INSERT_ORDER, orderTool, shopRelay } from './shop.ts'

export interface ShopTask {
  readonly what: 'order' | 'relay' | 'naive order' | 'naive relay'
  readonly url: string
  readonly client: ClientName
  readonly schema: string
  readonly ref: string
  /** The downstream's. */
  readonly downstream: string
  readonly die?: FaultPoint | 'in the tool'
}

const task = JSON.parse(process.argv[2] as string) as ShopTask
const { client, end } = CLIENTS[task.client](task.url)

function die(): void {
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

const guard = createGuard({
  store: postgresStore({ client, schema: task.schema }),
  clock: systemClock(),
  ids: systemIds(),
  processes: systemProcesses(),
  makeFetch: downstreamFetch(),
  settings: QUICK,
  faults: (point) => {
    if (point === task.die) die()
  },
})

async function order(): Promise<void> {
  const place = orderTool(guard, {
    schema: task.schema,
    between: () => {
      if (task.die === 'in the tool') die()
    },
  })
  writeSync(1, JSON.stringify(await place({ ref: task.ref })))
}

async function relay(): Promise<void> {
  const running = shopRelay(guard, client, task.schema, task.downstream)
  const pool = new pg.Pool({ connectionString: task.url, max: 1 })
  for (;;) {
    await running.drain()
    const { rows } = await pool.query(`SELECT count(*)::int AS n FROM ${task.schema}.outbox`)
    if ((rows[0] as { n: number }).n === 0) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await running.close()
  await pool.end()
}

/** The usual pattern: look whether it was done, do it, write down that it was. */
async function naiveOrder(): Promise<void> {
  const pool = new pg.Pool({ connectionString: task.url, max: 1 })
  await pool.query('CREATE TABLE IF NOT EXISTS shop.done (ref text PRIMARY KEY)')
  const { rows } = await pool.query('SELECT FROM shop.done WHERE ref = $1', [task.ref])
  if (rows.length === 0) {
    await pool.query(INSERT_ORDER, [task.ref])
    if (task.die !== undefined) die()
    await pool.query('INSERT INTO shop.done (ref) VALUES ($1)', [task.ref])
  }
  await pool.end()
}

/** The usual relay: send, then remove. */
async function naiveRelay(): Promise<void> {
  const pool = new pg.Pool({ connectionString: task.url, max: 1 })
  const { rows } = await pool.query<{ id: string; key: string }>(`SELECT id, key FROM ${task.schema}.outbox ORDER BY n`)
  for (const { id, key } of rows) {
    await fetch(`${task.downstream}/effects/${encodeURIComponent(`event ${key}`)}`, { method: 'POST', body: '{}' })
    if (task.die !== undefined) die()
    await pool.query(`DELETE FROM ${task.schema}.outbox WHERE id = $1`, [id])
  }
  await pool.end()
}

await { order, relay, 'naive order': naiveOrder, 'naive relay': naiveRelay }[task.what]()
await guard.close()
await end()
