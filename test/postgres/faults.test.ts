import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual } from '../../src/contract/index.ts'
import { isOnefoldError } from '../../src/error/index.ts'
import type { Faults, Guard, Settings } from '../../src/engine/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { asOwner, CLIENTS, type ClientName, type OpenedClient } from './clients.ts'
import { orderTool, SHOP_TABLES } from './shop.ts'

const NEWEST = postgresVersions().at(-1)
const DEADLINE_MS = 500

describe.skipIf(NEWEST === undefined)('Postgres in trouble', () => {
  let server: PostgresServer
  let proxy: TcpProxy
  let downstream: Downstream
  let names = 0
  let ending: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    downstream = await startDownstream()
    await asOwner(server.url(), SHOP_TABLES)
  })
  afterAll(async () => {
    await downstream.close()
    await server.close()
  })
  beforeEach(async () => {
    ending = []
    proxy = await startTcpProxy(server.port)
  })
  afterEach(async () => {
    proxy.heal()
    await Promise.all(ending.map((end) => end()))
    await proxy.close()
  })

  const newRef = (): string => `trouble-${(names += 1)}`
  const orders = async (ref: string): Promise<number> =>
    (
      (
        await asOwner<{ n: number }>(server.url(), `SELECT count(*)::int AS n FROM shop.orders WHERE ref = '${ref}'`)
      )[0] as { n: number }
    ).n

  async function newSchema(): Promise<string> {
    const schema = `trouble_${(names += 1)}`
    const owner: OpenedClient = CLIENTS.pg(server.url(), 1)
    await migratePostgres(owner.client, { schema })
    await owner.end()
    return schema
  }

  async function guardOn(
    schema: string,
    name: ClientName,
    port = proxy.port,
    settings: Partial<Settings> = {},
    faults?: Faults,
  ): Promise<Guard> {
    const opened = CLIENTS[name](`postgres://postgres@127.0.0.1:${port}/postgres`)
    const guard = testGuard({
      store: postgresStore({ client: opened.client, schema, deadlineMs: DEADLINE_MS }),
      // What is lost is found by asking the ledger, not by remembering.
      settings: {
        storeDeadlineMs: 2 * DEADLINE_MS,
        leaseMs: 4_000,
        heartbeatMs: 1_000,
        replayMemoryMs: 0,
        ...settings,
      },
      ...(faults === undefined ? {} : { faults }),
    })
    ending.push(async () => {
      await guard.close().catch(() => undefined)
      await opened.end()
    })
    await guard.open()
    return guard
  }

  /** A tool whose effects the downstream counts by `ref`. @param during called when the effect has happened */
  function effectTool(guard: Guard, recovery: 'manual' | 'keyed', during: () => Promise<void> | void = () => {}) {
    return guard.tool({
      name: 'effect',
      input: z.object({ ref: z.string() }),
      effect: 'write',
      identity: ['ref'],
      recovery: recovery === 'manual' ? manual() : keyed('10m'),
      async execute({ ref }, context) {
        // Of a manual tool the downstream recognises no repeat.
        const headers: Record<string, string> = recovery === 'manual' ? { 'idempotency-key': randomUUID() } : {}
        const answer = await context.fetch(`${downstream.url}/effects/${ref}`, { method: 'POST', body: '{}', headers })
        await during()
        return await answer.json()
      },
    })
  }

  /** Puts back a copy of the server that lacks the tool's last effect, whose reference it resolves with. */
  async function lostIn(tool: (input: { ref: string }) => Promise<unknown>): Promise<string> {
    await tool({ ref: newRef() })
    const old = await server.copy()
    const ref = newRef()
    await insist(() => tool({ ref }))
    await server.restore(old)
    return ref
  }

  /** A standby's sequence is ahead of its rows. */
  const runAhead = (schema: string): Promise<unknown> =>
    asOwner(server.url(), `SELECT nextval('${schema}.sequence') FROM generate_series(1, 32)`)

  /** What callers do: they come again where they are told that they may. */
  async function insist<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await call()
      } catch (error) {
        if (!isOnefoldError(error) || !error.retryable || tries === 40) throw error
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }

  for (const name of ['pg', 'postgres'] as const) {
    describe(`with ${name}`, () => {
      it.each([1, 2])('the acknowledgement of write %i is lost: one effect, and it is told', async (nth) => {
        const guard = await guardOn(await newSchema(), name)
        const tool = effectTool(guard, 'manual')
        await tool({ ref: newRef() })
        const ref = newRef()
        const lost = proxy.loseAnswer({ to: 'default', nth })
        const told = await tool.perform({ ref })
        await lost
        expect(told).toMatchObject({ status: 'committed' })
        expect(await downstream.effects(ref)).toBe(1)
        expect((await guard.ledger.show(told.key)).record.state).toBe('committed')
      })

      it('a server killed after the effect and started again: one effect, recorded', async () => {
        const schema = await newSchema()
        const guard = await guardOn(schema, name)
        const ref = newRef()
        const tool = effectTool(guard, 'manual', async () => {
          await server.kill()
          await server.start()
        })
        const told = await tool.perform({ ref })
        expect(told).toMatchObject({ status: 'committed' })
        await expect
          .poll(async () => (await guard.ledger.show(told.key)).record.state, { timeout: 15_000 })
          .toBe('committed')
        await expect(insist(() => effectTool(guard, 'manual').perform({ ref }))).resolves.toMatchObject({
          replayed: true,
        })
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('a server that is down: no effect starts, and it is said; back again, the same guard works', async () => {
        const guard = await guardOn(await newSchema(), name)
        const ref = newRef()
        const tool = effectTool(guard, 'keyed')
        await server.stop()
        await expect(tool({ ref })).rejects.toMatchObject({
          code: 'STORE_UNAVAILABLE',
          effect: 'none',
          retryable: true,
        })
        expect(await downstream.effects(ref)).toBe(0)
        await server.start()
        await insist(() => tool({ ref }))
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('a frozen server: said within the deadline, no effect; thawed, one', async () => {
        const guard = await guardOn(await newSchema(), name)
        const ref = newRef()
        const tool = effectTool(guard, 'keyed')
        server.freeze()
        try {
          await expect(tool({ ref })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
          expect(await downstream.effects(ref)).toBe(0)
        } finally {
          server.thaw()
        }
        await insist(() => tool({ ref }))
        expect(await downstream.effects(ref)).toBe(1)
      })

      it.each(['requests', 'answers'] as const)(
        'a network that swallows %s: no effect twice, and it recovers',
        async (direction) => {
          const guard = await guardOn(await newSchema(), name)
          const ref = newRef()
          const tool = effectTool(guard, 'keyed')
          proxy.set({ blackhole: [direction] })
          await expect(tool({ ref })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
          expect(await downstream.effects(ref)).toBe(0)
          proxy.heal()
          await insist(() => tool({ ref }))
          expect(await downstream.effects(ref)).toBe(1)
        },
      )

      it('half-open connections: one effect once the network is back', async () => {
        const guard = await guardOn(await newSchema(), name)
        const ref = newRef()
        const tool = effectTool(guard, 'keyed')
        proxy.halfOpen()
        await expect(tool({ ref })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
        proxy.heal()
        await insist(() => tool({ ref }))
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('connections reset in the middle of an answer: one effect', async () => {
        const guard = await guardOn(await newSchema(), name)
        const tool = effectTool(guard, 'manual')
        await tool({ ref: newRef() })
        const ref = newRef()
        const reset = proxy.resetAtByte('answers', 40)
        await insist(() => tool({ ref }))
        await reset
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('an older copy put back under a running guard: what was done since is a doubt, not done again', async () => {
        const schema = await newSchema()
        const guard = await guardOn(schema, name, server.port)
        const tool = effectTool(guard, 'manual')
        const ref = await lostIn(tool)
        await expect(insist(() => tool({ ref }))).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await downstream.effects(ref)).toBe(1)
        expect(await guard.ledger.amnesia()).toMatchObject({ why: expect.stringContaining('fell from') })
        // The other engine has no memory of its own; the mark is in the ledger.
        const other = await guardOn(schema, name, server.port)
        const lost = newRef()
        await expect(effectTool(other, 'manual')({ ref: lost })).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await downstream.effects(lost)).toBe(0)
      })

      it('a standby that lags takes over and its first answer is lost: what it lacks is a doubt, not done again', async () => {
        const schema = await newSchema()
        // No look at the epoch comes first.
        const guard = await guardOn(schema, name, proxy.port, { sweepMs: 600_000 })
        const tool = effectTool(guard, 'manual')
        const ref = await lostIn(tool)
        await runAhead(schema)
        const lost = proxy.loseAnswer({ to: 'default' })
        await tool({ ref: newRef() }).catch(() => undefined)
        await lost
        await expect(insist(() => tool({ ref }))).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('a standby that lags takes over and another process comes and goes: what it lacks is a doubt all the same', async () => {
        const schema = await newSchema()
        const guard = await guardOn(schema, name, server.port, { sweepMs: 600_000 })
        const tool = effectTool(guard, 'manual')
        const ref = await lostIn(tool)
        await runAhead(schema)
        const other = await guardOn(schema, name, server.port)
        await effectTool(other, 'manual')({ ref: newRef() })
        await other.close()
        await expect(insist(() => tool({ ref }))).rejects.toMatchObject({ code: 'IN_DOUBT' })
        expect(await downstream.effects(ref)).toBe(1)
      })

      it('a transaction whose commit nobody acknowledged: the row says what became of it', async () => {
        const schema = await newSchema()
        const guard = await guardOn(schema, name)
        const place = orderTool(guard, { schema })
        await place({ ref: newRef() })
        const ref = newRef()
        const lost = proxy.loseAnswer({ to: 'COMMIT; BEGIN' })
        const told = await place.perform({ ref })
        await lost
        expect(told).toMatchObject({ status: 'committed', value: { ref } })
        expect(await orders(ref)).toBe(1)
        expect(await place.perform({ ref })).toMatchObject({ replayed: true })
        expect(await orders(ref)).toBe(1)
      })

      it('a server that freezes before a transaction has begun: said, nothing; thawed, one', async () => {
        const schema = await newSchema()
        let calm = false
        const guard = await guardOn(schema, name, server.port, {}, (point) => {
          if (point !== 'claimed' || calm) return
          calm = true
          server.freeze()
        })
        const ref = newRef()
        const place = orderTool(guard, { schema })
        await expect(place({ ref })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
        server.thaw()
        await insist(() => place({ ref }))
        expect(await orders(ref)).toBe(1)
      })

      it('a transaction whose connection breaks before the commit: nothing, then one', async () => {
        const schema = await newSchema()
        const guard = await guardOn(schema, name)
        const ref = newRef()
        let broken = false
        const place = orderTool(guard, {
          schema,
          between: () => {
            if (!broken) proxy.cut()
            broken = true
          },
        })
        await insist(() => place({ ref }))
        expect(await orders(ref)).toBe(1)
      })
    })
  }

  it.each([
    { code: 'ECONNRESET' },
    { code: 'EPIPE' },
    { code: 'XX000', severity: 'FATAL' },
    { code: '58030', severity: 'PANIC' },
    { code: '57014', severity: 'ERROR' },
  ])('a commit that came through, told as $code: what the row says is told', async (trouble) => {
    const pool = new pg.Pool({ connectionString: server.url(), max: 6 })
    let armed = true
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
      client.query = (async (...given: unknown[]) => {
        const result = await query(...given)
        if (!armed || !JSON.stringify(given).includes('COMMIT; BEGIN')) return result
        armed = false
        throw Object.assign(new Error(`lost: ${trouble.code}`), trouble)
      }) as never
    })
    const schema = await newSchema()
    const guard = testGuard({ store: postgresStore({ client: pool, schema }) })
    ending.push(() => guard.close().then(() => pool.end()))
    const place = orderTool(guard, { schema })
    const ref = newRef()
    expect(await place.perform({ ref })).toMatchObject({ status: 'committed', value: { ref } })
    expect(armed).toBe(false)
    expect(await orders(ref)).toBe(1)
  })

  it('a connection that the server ends between two statements of a tool: nothing, then one, and the process lives', async () => {
    const schema = await newSchema()
    const guard = await guardOn(schema, 'postgres', server.port)
    const ref = newRef()
    let ended = false
    const place = orderTool(guard, {
      schema,
      async between({ transaction }) {
        if (ended) return
        ended = true
        await asOwner(
          server.url(),
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`,
        )
        // What the client itself would do on the dead connection is an error that nobody can catch.
        const refuses = (): boolean => {
          try {
            return (transaction as { unsafe?: unknown }).unsafe === undefined
          } catch (error) {
            return isOnefoldError(error)
          }
        }
        await expect.poll(refuses, { timeout: 20_000 }).toBe(true)
      },
    })
    await insist(() => place({ ref }))
    expect([ended, await orders(ref)]).toEqual([true, 1])
  })

  it('control: an engine that remembers nothing does it again after such a restore', async () => {
    const schema = await newSchema()
    const old = await server.copy()
    const ref = newRef()
    const first = await guardOn(schema, 'pg', server.port)
    await effectTool(first, 'manual')({ ref })
    await first.close()
    await server.restore(old)
    await effectTool(await guardOn(schema, 'pg', server.port), 'manual')({ ref })
    expect(await downstream.effects(ref)).toBe(2)
  })
})
