import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { transactional, type ToolContext } from '../../src/contract/index.ts'
import type { FaultPoint, Guard, Outcome, Settings } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { systemClock } from '../../src/system/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS, type ClientName, type OpenedClient } from './clients.ts'
import { inTransaction, INSERT_ORDER, orderTool, SHOP_TABLES, shopRelay, shopRights } from './shop.ts'
import type { ShopTask } from './shop.process.ts'

const ROLE = 'shop_role'
const NEWEST = postgresVersions().at(-1)

const SHOW_IDLE = 'SHOW idle_in_transaction_session_timeout'

describe.skipIf(NEWEST === undefined)('transactional tools', () => {
  let server: PostgresServer
  let downstream: Downstream
  let names = 0
  const guards: Guard[] = []
  const clients: OpenedClient[] = []

  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    downstream = await startDownstream()
    await asOwner(server.url(), `CREATE ROLE ${ROLE} LOGIN; ${SHOP_TABLES} ${shopRights(ROLE)}`)
  })
  afterAll(async () => {
    await Promise.all(guards.map((guard) => guard.close()))
    await Promise.all(clients.map((client) => client.end()))
    await downstream.close()
    await server.close()
  })

  const newRef = (): string => `order-${(names += 1)}`

  async function newSchema(): Promise<string> {
    const schema = `shop_ledger_${(names += 1)}`
    const pool = new pg.Pool({ connectionString: server.url(), max: 1 })
    await migratePostgres(pool, { schema, role: ROLE })
    await pool.end()
    return schema
  }

  function guardOn(schema: string, name: ClientName, settings: Partial<Settings> = {}, clock = systemClock()): Guard {
    const opened = CLIENTS[name](server.url({ user: ROLE }))
    const store = postgresStore({ client: opened.client, schema })
    const guard = testGuard({ store, settings: { leaseMs: 4_000, ...settings }, clock })
    clients.push(opened)
    guards.push(guard)
    return guard
  }

  const count = async (text: string): Promise<number> =>
    ((await asOwner<{ n: number }>(server.url(), `SELECT count(*)::int AS n FROM ${text}`))[0] as { n: number }).n
  const orders = (ref: string): Promise<number> => count(`shop.orders WHERE ref = '${ref}'`)
  const waiting = (schema: string): Promise<number> => count(`${schema}.outbox`)

  function run(task: Omit<ShopTask, 'url' | 'downstream'>): Promise<number | null> {
    const given: ShopTask = {
      ...task,
      url: server.url({ user: task.what.startsWith('naive') ? 'postgres' : ROLE }),
      downstream: downstream.url,
    }
    const program = fileURLToPath(new URL('./shop.process.ts', import.meta.url))
    const child = spawn(process.execPath, [program, JSON.stringify(given)], { stdio: ['ignore', 'ignore', 'inherit'] })
    return new Promise((resolve) => child.on('close', (code) => resolve(code)))
  }

  for (const name of ['pg', 'postgres'] as const) {
    describe(`with ${name}`, () => {
      it('commits effect, record and message as one, and replays', async () => {
        const schema = await newSchema()
        const guard = guardOn(schema, name)
        const seen: number[] = []
        const ref = newRef()
        const place = orderTool(guard, { schema, between: async () => void seen.push(await orders(ref)) })
        const first = await place.perform({ ref })
        const again = await place.perform({ ref })
        expect([first.value, again.value, again.replayed]).toEqual([{ ref }, { ref }, true])
        expect(seen).toEqual([0])
        expect(await orders(ref)).toBe(1)
        expect(await waiting(schema)).toBe(1)
        const { history, record } = await guard.ledger.show(first.key)
        const moves = history.map(({ transition }) => transition).filter((transition) => transition !== 'heartbeat')
        expect(moves.slice(0, 3)).toEqual(['T1', 'T2', 'T5'])
        expect(record).toMatchObject({ state: 'committed', openSends: 0, attempts: 1 })
      })

      it.each([
        ['90s', '2min'],
        ['30d', '2147483647ms'],
      ] as const)('lets a tool of %s pause for as long', async (timeout, longest) => {
        const guard = guardOn(await newSchema(), name)
        const pausing = guard.tool({
          name: 'pausing',
          input: z.object({ ref: z.string() }),
          effect: 'write',
          identity: ['ref'],
          recovery: transactional(),
          timeout,
          async execute(_, { transaction }) {
            const open = transaction as Record<'query' | 'unsafe', (text: string) => Promise<unknown>>
            const shown = await (name === 'pg' ? open.query(SHOW_IDLE) : open.unsafe(SHOW_IDLE))
            const rows = (Array.isArray(shown) ? shown : (shown as pg.QueryResult).rows) as Record<string, string>[]
            return rows[0]?.['idle_in_transaction_session_timeout']
          },
        })
        expect(await pausing({ ref: newRef() })).toBe(longest)
      })

      it('undoes everything when the tool throws, also after it wrote, and a later call does it once', async () => {
        const schema = await newSchema()
        const ref = newRef()
        let fail = true
        const place = orderTool(guardOn(schema, name), {
          schema,
          between: () => {
            if (fail) throw new Error('no paper in the printer')
          },
        })
        await expect(place({ ref })).rejects.toMatchObject({ effect: 'none' })
        expect([await orders(ref), await waiting(schema)]).toEqual([0, 0])
        fail = false
        await place({ ref })
        expect([await orders(ref), await waiting(schema)]).toEqual([1, 1])
      })

      it('undoes everything when a constraint fails at the commit', async () => {
        const schema = await newSchema()
        const guard = guardOn(schema, name)
        const ref = newRef()
        const line = guard.tool({
          name: 'add_line',
          input: z.object({ ref: z.string() }),
          effect: 'write',
          identity: ['ref'],
          recovery: transactional(),
          execute: async (input, context) =>
            await inTransaction(context, 'INSERT INTO shop.lines (ref) VALUES ($1)', [input.ref]),
        })
        await expect(line({ ref })).rejects.toMatchObject({ effect: 'none' })
        expect(await count(`shop.lines WHERE ref = '${ref}'`)).toBe(0)
        await asOwner(server.url(), `INSERT INTO shop.stock VALUES ('${ref}', 1)`)
        await line({ ref })
        expect(await count(`shop.lines WHERE ref = '${ref}'`)).toBe(1)
      })

      it('many callers in two processes’ guards: one effect, one answer, told after the commit', async () => {
        const schema = await newSchema()
        const ref = newRef()
        const tools = [guardOn(schema, name), guardOn(schema, name)].map((guard) =>
          orderTool(guard, { schema, between: () => new Promise((resolve) => setTimeout(resolve, 60)) }),
        )
        const told = await Promise.all(
          Array.from({ length: 32 }, async (_, n) => {
            const value = await (tools[n % 2] as (typeof tools)[0])({ ref })
            return [value, await orders(ref)]
          }),
        )
        expect(new Set(told.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify([{ ref }, 1])]))
      })

      it('more transactions than the client has connections wait their turn', async () => {
        const schema = await newSchema()
        const place = orderTool(guardOn(schema, name), { schema })
        const refs = Array.from({ length: 40 }, newRef)
        await Promise.all(refs.map((ref) => place({ ref })))
        expect(await count(`shop.orders WHERE ref IN (${refs.map((ref) => `'${ref}'`).join()})`)).toBe(40)
      })

      it('a tool may not end the transaction; what it tries is refused and nothing stands', async () => {
        const schema = await newSchema()
        const ref = newRef()
        const place = orderTool(guardOn(schema, name), {
          schema,
          between: (context) => inTransaction(context, 'COMMIT', []),
        })
        await expect(place({ ref })).rejects.toMatchObject({ effect: 'none' })
        expect(await orders(ref)).toBe(0)
      })

      it('a tool that ends it in a way that cannot be seen is a doubt for a person, never a silent success', async () => {
        const schema = await newSchema()
        const guard = guardOn(schema, name)
        const ref = newRef()
        const place = orderTool(guard, { schema, between: (context) => inTransaction(context, '/* now */ COMMIT', []) })
        await expect(place({ ref })).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await orders(ref)).toBe(1)
        const listed = await guard.ledger.list({ states: ['in-doubt'] })
        expect(listed.records).toHaveLength(1)
        await expect(place({ ref })).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await orders(ref)).toBe(1)
      })

      it.each([
        ['committed it is a doubt, though it throws', 'COMMIT', 'IN_DOUBT', 1],
        ['rolled it back and throws has done nothing', 'ROLLBACK', 'REJECTED', 0],
      ])('a tool that has %s', async (_what, end, code, rows) => {
        const schema = await newSchema()
        const ref = newRef()
        const place = orderTool(guardOn(schema, name), {
          schema,
          between: async (context) => {
            await inTransaction(context, `/* now */ ${end}`, [])
            throw new Error('and then it failed')
          },
        })
        await expect(place({ ref })).rejects.toMatchObject({ code })
        expect(await orders(ref)).toBe(rows)
      })

      it('a tool that goes on after its deadline finds its transaction gone', async () => {
        const schema = await newSchema()
        const guard = guardOn(schema, name)
        const ref = newRef()
        let later: Promise<unknown> | undefined
        const slow = guard.tool({
          name: 'slow_order',
          input: z.object({ ref: z.string() }),
          effect: 'write',
          identity: ['ref'],
          recovery: transactional(),
          timeout: '100ms',
          execute: async (input, context: ToolContext) => {
            await inTransaction(context, INSERT_ORDER, [input.ref])
            later = new Promise((resolve) => setTimeout(resolve, 250)).then(() =>
              inTransaction(context, INSERT_ORDER, [input.ref]),
            )
            await later
          },
        })
        await expect(slow({ ref })).rejects.toMatchObject({ effect: 'none', retryable: true })
        await expect(later).rejects.toMatchObject({ code: 'CANCELLED' })
        expect(await orders(ref)).toBe(0)
      })

      it('an owner that lost its lease cannot commit: one effect', async () => {
        const schema = await newSchema()
        const ref = newRef()
        const real = systemClock()
        // No housekeeping: neither heartbeats nor sweeps.
        const still = {
          ...real,
          after: (ms: number, run: () => void, background?: boolean) =>
            background === true ? () => undefined : real.after(ms, run),
        }
        const asleep = guardOn(schema, name, { leaseMs: 1_000, heartbeatMs: 300 }, still)
        const awake = orderTool(guardOn(schema, name, { leaseMs: 1_000, heartbeatMs: 300 }), { schema })
        let zombieTold: Promise<Outcome> | undefined
        let go = (): void => {}
        const gone = new Promise<void>((resolve) => (go = resolve))
        const entered = new Promise<void>((resolve) => {
          const zombie = orderTool(asleep, {
            schema,
            between: () => {
              resolve()
              return gone
            },
          })
          zombieTold = zombie.perform({ ref })
        })
        await entered
        await awake({ ref })
        go()
        const told = await zombieTold
        expect(told).toMatchObject({ value: { ref }, replayed: true })
        expect([await orders(ref), await waiting(schema)]).toEqual([1, 1])
      })

      const POINTS: readonly NonNullable<ShopTask['die']>[] = [
        'before-claim',
        'claimed',
        'marked',
        'in the tool',
        'answered',
        'before-commit',
        'committed',
      ]
      // Starting processes is slow: the second client dies where it matters most.
      const points = name === 'pg' ? POINTS : POINTS.filter((point) => /tool|commit/.test(point))
      it.each(points)('a process killed at "%s" leaves both or nothing, and the next one makes it one', async (die) => {
        const schema = await newSchema()
        const ref = newRef()
        expect(await run({ what: 'order', client: name, schema, ref, die })).toBe(null)
        const both = [await orders(ref), await waiting(schema)]
        expect(both).toEqual(die === 'committed' ? [1, 1] : [0, 0])
        expect(await run({ what: 'order', client: name, schema, ref })).toBe(0)
        expect([await orders(ref), await waiting(schema)]).toEqual([1, 1])
      })
    })
  }

  it('control: the usual pattern, killed between effect and record, does it twice', async () => {
    const ref = newRef()
    const task = { what: 'naive order', client: 'pg', schema: 'none', ref } as const
    expect(await run({ ...task, die: 'in the tool' })).toBe(null)
    expect(await run(task)).toBe(0)
    expect(await orders(ref)).toBe(2)
  })

  describe('the outbox [BF-12]', () => {
    const events = (ref: string): Promise<number> => downstream.effects(`event ${ref}`)

    it('control: a relay that sends and then removes publishes twice when it is killed in between', async () => {
      const schema = await newSchema()
      const ref = newRef()
      await run({ what: 'order', client: 'pg', schema, ref })
      expect(await run({ what: 'naive relay', client: 'pg', schema, ref, die: 'answered' })).toBe(null)
      expect(await run({ what: 'naive relay', client: 'pg', schema, ref })).toBe(0)
      expect(await events(ref)).toBe(2)
    })

    const POINTS: readonly FaultPoint[] = [
      'before-claim',
      'claimed',
      'marked',
      'answered',
      'before-commit',
      'committed',
    ]
    it.each(POINTS)('a relay killed at "%s" publishes once, and the message leaves', async (die) => {
      const schema = await newSchema()
      const ref = newRef()
      await run({ what: 'order', client: 'pg', schema, ref })
      expect(await run({ what: 'relay', client: 'pg', schema, ref, die })).toBe(null)
      expect(await waiting(schema)).toBe(1)
      expect(await run({ what: 'relay', client: 'pg', schema, ref })).toBe(0)
      expect([await events(ref), await waiting(schema)]).toEqual([1, 0])
    })

    it('a lost answer is settled, not repeated', async () => {
      const schema = await newSchema()
      const ref = newRef()
      await run({ what: 'order', client: 'pg', schema, ref })
      await downstream.plan(`event ${ref}`, 'lose-answer')
      expect(await run({ what: 'relay', client: 'postgres', schema, ref })).toBe(0)
      expect([await events(ref), await waiting(schema)]).toEqual([1, 0])
    })

    it('several relays at once publish each message once, and those of one key in order', async () => {
      const schema = await newSchema()
      const guard = guardOn(schema, 'pg')
      const refs = Array.from({ length: 20 }, newRef)
      const many = guard.tool({
        name: 'place_many',
        input: z.object({ ref: z.string() }),
        effect: 'write',
        identity: ['ref'],
        recovery: transactional(),
        async execute({ ref }, context) {
          const { putIntoOutbox } = await import('../../src/store/postgres/index.ts')
          for (const step of [1, 2, 3])
            await putIntoOutbox(context, { topic: 'steps', key: ref, payload: { step }, schema })
        },
      })
      await Promise.all(refs.map((ref) => many({ ref })))
      const relays = (['pg', 'postgres'] as const).map((name) => {
        const opened = CLIENTS[name](server.url({ user: ROLE }))
        clients.push(opened)
        return shopRelay(guardOn(schema, name), opened.client, schema, downstream.url)
      })
      await expect.poll(() => waiting(schema), { timeout: 20_000 }).toBe(0)
      await Promise.all(relays.map((relay) => relay.close()))
      for (const ref of refs) {
        const rows = await downstream.query(`SELECT body FROM effects WHERE ref = 'event ${ref}' ORDER BY n`)
        expect(rows.map(({ body }) => JSON.parse(String(body)) as unknown)).toEqual([
          { step: 1 },
          { step: 2 },
          { step: 3 },
        ])
      }
    })

    it('a message that cannot be published stays, and the ones behind it go', async () => {
      const schema = await newSchema()
      const guard = guardOn(schema, 'pg')
      const place = orderTool(guard, { schema })
      const [stuck, free] = [newRef(), newRef()]
      await place({ ref: stuck })
      await place({ ref: free })
      await downstream.plan(`event ${stuck}`, ...Array.from({ length: 3 }, () => 'refuse' as const))
      const opened = CLIENTS.pg(server.url({ user: ROLE }))
      clients.push(opened)
      const relay = shopRelay(guard, opened.client, schema, downstream.url)
      await expect.poll(() => events(free), { timeout: 20_000 }).toBe(1)
      await expect.poll(() => events(stuck), { timeout: 20_000 }).toBe(1)
      await relay.close()
      expect([await events(free), await waiting(schema)]).toEqual([1, 0])
    })
  })
})
