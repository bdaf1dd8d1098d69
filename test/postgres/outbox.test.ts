import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, transactional, type ToolContext } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore, putIntoOutbox, relayOutbox } from '../../src/store/postgres/index.ts'
import { testGuard } from '../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS } from './clients.ts'
import { inTransaction, INSERT_ORDER, SHOP_TABLES } from './shop.ts'

const NEWEST = postgresVersions().at(-1)
const schema = 'onefold'

describe.skipIf(NEWEST === undefined)('the outbox [BF-12]', () => {
  let server: PostgresServer
  let pool: pg.Pool
  let guard: Guard

  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    await asOwner(server.url(), SHOP_TABLES)
    pool = new pg.Pool({ connectionString: server.url(), max: 8 })
    await migratePostgres(pool, { schema })
    guard = testGuard({ store: postgresStore({ client: pool, schema }) })
  })
  afterAll(async () => {
    await guard.close()
    await pool.end()
    await server.close()
  })

  const count = async (text: string): Promise<number> =>
    ((await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${text}`)).rows[0] as { n: number }).n

  /** A tool that writes a row and does `work` in its transaction. */
  const tool = (name: string, work: (ref: string, context: ToolContext) => Promise<void>) =>
    guard.tool({
      name,
      input: z.object({ ref: z.string() }),
      effect: 'write',
      identity: ['ref'],
      recovery: transactional(),
      async execute({ ref }, context) {
        await inTransaction(context, INSERT_ORDER, [ref])
        await work(ref, context)
      },
    })

  /** With postgres in a savepoint, whose object is another one each time; with pg by a wrapper, as query builders have. */
  async function inSavepoint(transaction: unknown, work: (inner: unknown) => Promise<void>): Promise<void> {
    const open = transaction as {
      savepoint?: (work: (inner: unknown) => Promise<void>) => Promise<void>
      query: (text: string, values: readonly unknown[]) => Promise<unknown>
    }
    if (typeof open.savepoint === 'function') await open.savepoint(work)
    else await work({ query: (text: string, values: readonly unknown[]) => open.query(text, values) })
  }

  const UNPUBLISHABLE: Readonly<Record<string, { readonly payload: unknown; readonly key?: string }>> = {
    'an integer that has lost digits': { payload: { id: 2 ** 60 } },
    'one that is nested too deep': { payload: JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`) },
    'one that is too large': { payload: 'x'.repeat(1_048_576) },
    'half a character': { payload: '\ud800' },
    'half a character as its key': { payload: 1, key: '\udc00' },
  }
  it.each(Object.keys(UNPUBLISHABLE))('takes no message that could never be published: %s', async (what) => {
    const put = tool('put_unpublishable', (_, context) =>
      putIntoOutbox(context, { topic: 't', ...(UNPUBLISHABLE[what] as { payload: unknown }) }),
    )
    await expect(put({ ref: what })).rejects.toMatchObject({ effect: 'none', cause: { code: 'INPUT_INVALID' } })
    expect([await count(`shop.orders WHERE ref = '${what}'`), await count('onefold.outbox')]).toEqual([0, 0])
  })

  it('publishes in order what transactions have put under one key that take turns by a row of theirs', async () => {
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => (go = resolve))
    let entered = (): void => {}
    const inside = new Promise<void>((resolve) => (entered = resolve))
    await pool.query("INSERT INTO shop.stock VALUES ('order-7', 1)")
    const put = tool('put_in_order', async (ref, context) => {
      await inTransaction(context, 'UPDATE shop.stock SET pieces = pieces + 1 WHERE ref = $1', ['order-7'])
      await putIntoOutbox(context, { topic: 'steps', key: 'order-7', payload: ref })
      entered()
      if (ref === 'first') await gone
    })
    const published: unknown[] = []
    const relay = relayOutbox(guard, {
      client: pool,
      recovery: keyed('10m'),
      publish: ({ payload }) => Promise.resolve(published.push(payload)),
    })
    const first = put({ ref: 'first' })
    await inside
    const second = put({ ref: 'second' })
    await expect.poll(() => count('pg_locks WHERE NOT granted'), { timeout: 10_000 }).toBe(1)
    await relay.drain()
    go()
    await Promise.all([first, second])
    await relay.drain()
    await relay.close()
    expect(published).toEqual(['first', 'second'])
  })

  it('publishes once where one relay drains inside a run of another tenant and a second one does not', async () => {
    await pool.query(`INSERT INTO onefold.outbox (id, topic, key, payload) VALUES ('of1_in_a_run/1', 't', 'k', '1')`)
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => (go = resolve))
    let entered = (): void => {}
    const inside = new Promise<void>((resolve) => (entered = resolve))
    const keys: string[] = []
    const relays = [1, 2].map(() =>
      relayOutbox(guard, {
        client: pool,
        recovery: keyed('10m'),
        async publish(_, context) {
          keys.push(context.key)
          entered()
          await gone
        },
      }),
    )
    const draining = relays.map((relay, n) =>
      n === 0 ? relay.drain() : guard.run({ id: 'request', tenant: 'acme' }, () => relay.drain()),
    )
    await inside
    const closed = relays.map((relay) => relay.close())
    go()
    await Promise.all([...draining, ...closed])
    expect([keys.length, await count('onefold.outbox')]).toEqual([1, 0])
    expect((await guard.ledger.list({ tenant: 'acme', tool: 'outbox' })).records).toEqual([])
  })

  it('publishes once where two relays have guards of two tenants', async () => {
    const theirs = testGuard({ store: postgresStore({ client: pool, schema }), tenant: 'acme' })
    const keys: string[] = []
    for (const by of [guard, theirs]) {
      // As the first one leaves it that dies between sending and removing.
      await pool.query(`INSERT INTO onefold.outbox (id, topic, key, payload) VALUES ('of1_of_two/1', 't', 'k', '1')`)
      const relay = relayOutbox(by, {
        client: pool,
        recovery: keyed('10m'),
        publish: (_, context) => Promise.resolve(keys.push(context.key)),
      })
      await relay.drain()
      await relay.close()
    }
    await theirs.close()
    expect([keys.length, await count('onefold.outbox')]).toEqual([1, 0])
  })

  it.each(['pg', 'postgres'] as const)(
    'tells messages apart that were put by objects of savepoints, with %s',
    async (name) => {
      const { client, end } = CLIENTS[name](server.url())
      const theirs = testGuard({ store: postgresStore({ client, schema }) })
      const put = theirs.tool({
        name: `put_twice_${name}`,
        input: z.object({ ref: z.string() }),
        effect: 'write',
        identity: ['ref'],
        recovery: transactional(),
        async execute(_, { key, transaction }) {
          for (const _time of [1, 2])
            await inSavepoint(transaction, (inner) =>
              putIntoOutbox({ key, transaction: inner }, { topic: 't', payload: 'equal' }),
            )
        },
      })
      await put({ ref: name })
      const published: unknown[] = []
      const relay = relayOutbox(theirs, {
        client,
        recovery: keyed('10m'),
        publish: ({ payload }) => Promise.resolve(published.push(payload)),
      })
      await relay.drain()
      await relay.close()
      expect(published).toEqual(['equal', 'equal'])
      await theirs.close()
      await end()
    },
  )

  it('reaches the first of a long backlog of one key, and what lies beside it', async () => {
    await pool.query(
      `INSERT INTO onefold.outbox (id, topic, key, payload) SELECT 'of1_long/' || n, 't', 'long', n::text FROM generate_series(1, 50000) AS n
       UNION ALL SELECT 'of1_beside/1', 't', 'beside', '0'`,
    )
    const published: unknown[] = []
    const relay = relayOutbox(guard, {
      client: pool,
      recovery: keyed('10m'),
      everyMs: 1_000_000,
      async publish({ payload }) {
        published.push(payload)
        if (payload === 3) void relay.close()
      },
    })
    await relay.drain()
    expect(published).toEqual([0, 1, 2, 3])
    await pool.query('DELETE FROM onefold.outbox')
  })

  it('tries a message that stays ever more seldom, and at once where it is asked to', async () => {
    // Written by another program; such a payload is refused before anything is sent.
    await pool.query(`INSERT INTO onefold.outbox (id, topic, key, payload) VALUES ('of1_refused/1', 't', 'k', '1e300')`)
    const tries: number[] = []
    let later = (): void => {}
    const relay = relayOutbox(guard, {
      client: pool,
      recovery: keyed('10m'),
      everyMs: 4,
      publish: () => Promise.resolve(),
      onTrouble() {
        tries.push(performance.now())
        if (tries.length === 6) later()
      },
    })
    await new Promise<void>((resolve) => (later = resolve))
    // 4 + 8 + 16 + 32 + 64 ms at least; looked at every 4 ms it would take 20.
    expect((tries.at(-1) ?? 0) - (tries[0] ?? 0)).toBeGreaterThanOrEqual(124)
    const before = tries.length
    await Promise.all([relay.drain(), relay.drain()])
    expect(tries.length - before).toBeGreaterThanOrEqual(2)
    await relay.close()
    await pool.query('DELETE FROM onefold.outbox')
  })

  it('raises one alarm for a message that stays, without its contents', async () => {
    const alarms: string[] = []
    const stop = guard.on('alarm', ({ tool: name, message }) => alarms.push(`${name}: ${message}`))
    // Written by another program: what Onefold puts is looked at before.
    await pool.query(
      `INSERT INTO onefold.outbox (id, topic, key, payload) VALUES ('of1_theirs/1', 't', 'k', '{"secret":1e300}')`,
    )
    const relay = relayOutbox(guard, { client: pool, recovery: keyed('10m'), publish: () => Promise.resolve() })
    expect([await relay.drain(), await relay.drain()]).toEqual([0, 0])
    await relay.close()
    stop()
    expect(alarms).toEqual([expect.stringContaining('outbox: message of1_theirs/1 of the outbox cannot be published')])
    expect(alarms.join()).not.toContain('secret')
    await pool.query('DELETE FROM onefold.outbox')
  })

  it('raises one alarm where what was published cannot be taken out, and says to whom asks what is missing', async () => {
    await pool.query(
      `CREATE FUNCTION shop.forbid() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'permission denied for table outbox' USING ERRCODE = 'insufficient_privilege'; END $$;
       CREATE TRIGGER forbid BEFORE DELETE ON onefold.outbox FOR EACH ROW EXECUTE FUNCTION shop.forbid()`,
    )
    const heard = new Promise<string>((resolve) => guard.on('alarm', ({ message }) => resolve(message)))
    await pool.query(
      `INSERT INTO onefold.outbox (id, topic, key, payload) VALUES ('of1_kept/1', 't', 'k', '{}'), ('of1_kept/2', 't', 'l', '{}')`,
    )
    const published: string[] = []
    const publish = ({ id }: { readonly id: string }): Promise<void> => Promise.resolve(void published.push(id))
    const relay = relayOutbox(guard, { client: pool, everyMs: 5, recovery: keyed('10m'), publish })
    expect(await heard).toMatch(/the outbox is not emptied: The role may not do .*migrate --role NAME/)
    await expect(relay.drain()).rejects.toMatchObject({ code: 'STORE_UNSAFE' })
    await expect.poll(() => published.toSorted()).toEqual(['of1_kept/1', 'of1_kept/2'])
    await relay.close()
    await pool.query('DROP TRIGGER forbid ON onefold.outbox; DELETE FROM onefold.outbox')
  })
})
