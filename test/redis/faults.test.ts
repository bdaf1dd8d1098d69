import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { manual } from '../../src/contract/index.ts'
import type { Guard, ProtectedTool, Store } from '../../src/engine/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool, place, type OrderInput, type Placed } from '../support/order-tool.ts'
import { REDIS_CLIENTS, type OpenClient } from '../support/redis-clients.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import {
  CUTS,
  expectNothingWhileFrozen,
  expectOneEachOverAKill,
  insist,
  ordersDuring,
  problem,
} from '../support/trouble.ts'

const DEADLINE_MS = 400

describeWithServer(REDIS, 'A Redis ledger in trouble', () => {
  let downstream: Downstream
  beforeAll(async () => {
    downstream = await startDownstream()
  })
  afterAll(async () => await downstream.close())

  for (const pack of REDIS_CLIENTS) {
    describe(`through ${pack.name}`, () => {
      let server: RedisServer
      let proxy: TcpProxy
      const ends: (() => Promise<void>)[] = []
      beforeAll(async () => {
        server = await startRedis()
        proxy = await startTcpProxy(server.port)
      })
      afterEach(async () => {
        server.thaw()
        proxy.heal()
        for (const end of ends.splice(0)) await end()
      })
      afterAll(async () => {
        await proxy.close()
        await server.close()
      })

      async function guarded(): Promise<{
        guard: Guard
        order: ProtectedTool<OrderInput, Placed>
        opened: OpenClient
      }> {
        const opened = await pack.open(`redis://127.0.0.1:${proxy.port}`)
        const store = redisStore({ client: opened.client, deadlineMs: DEADLINE_MS })
        // Every call asks the ledger: what becomes of that is the subject here.
        const settings = { storeDeadlineMs: DEADLINE_MS + 100, leaseMs: 2_000, replayMemoryMs: 0 }
        const guard = testGuard({ store, settings })
        const order = orderTool(guard, downstream, { recovery: manual() })
        await guard.open()
        ends.push(async () => {
          await guard.close().catch(() => undefined)
          opened.end()
        })
        return { guard, order, opened }
      }

      it('a lost acknowledgement of the marker is recognised as our own', async () => {
        const { order } = await guarded()
        const ref = `${pack.name} lost acknowledgement`
        for (let n = 1; n <= 3; n += 1) {
          const lost = proxy.loseAnswer({ to: 'EVAL' })
          const told = await insist(order, `${ref} ${n}`)
          await lost
          expect(await problem(downstream, told, `${ref} ${n}`)).toBeUndefined()
          expect(await problem(downstream, await insist(order, `${ref} ${n}`), `${ref} ${n}`)).toBeUndefined()
        }
      })

      it('a frozen server starts no effect; after it has thawed each happens once', async () => {
        const { order } = await guarded()
        await expectNothingWhileFrozen(server, downstream, order, pack.name)
      })

      it('a server that is killed in the middle of many calls, and comes back', async () => {
        const { order } = await guarded()
        await expectOneEachOverAKill(server, downstream, order, pack.name)
      })

      it('closes while the server is away and somebody waits', async () => {
        const opened = await pack.open(`redis://127.0.0.1:${proxy.port}`)
        ends.push(async () => {
          proxy.refuse(false)
          opened.end()
        })
        const store = redisStore({ client: opened.client, deadlineMs: DEADLINE_MS })
        await store.open()
        proxy.refuse(true)
        proxy.cut()
        store.watch('a key', () => undefined)
        await expect(store.close()).resolves.toBeUndefined()
      })

      it('a client that its application has in a transaction of its own: no effect, and no loss', async () => {
        const { order, opened, guard } = await guarded()
        const ref = `${pack.name} in a transaction`
        await order({ ref: `${ref}, before` })
        await opened.command('MULTI')
        await expect(order({ ref })).rejects.toMatchObject({
          code: 'STORE_UNAVAILABLE',
          message: expect.stringContaining('MULTI'),
        })
        expect(await downstream.effects(ref)).toBe(0)
        await opened.command('EXEC')
        await order({ ref })
        expect(await downstream.effects(ref)).toBe(1)
        expect(await guard.ledger.amnesia()).toBeUndefined()
      })

      it.each(CUTS)('when %s', async (...cut) => {
        const { order } = await guarded()
        expect(await ordersDuring(cut, proxy, downstream, order, pack.name)).toEqual([])
      })
    })
  }

  it('a process that was idle for a month takes its row, which another one cleared away, for no loss', async () => {
    const server = await startRedis()
    const ends: (() => void)[] = []
    function guarded(): { guard: Guard; order: ProtectedTool<OrderInput, Placed> } {
      const client = new Redis(server.port, '127.0.0.1')
      ends.push(() => client.disconnect())
      const guard = testGuard({ store: redisStore({ client }), settings: { sweepMs: 600_000, replayMemoryMs: 0 } })
      return { guard, order: orderTool(guard, downstream, { recovery: manual() }) }
    }
    const idle = guarded()
    await idle.order({ ref: 'a month ago' })
    server.cli('HSET', '{onefold.0}m', 'off', String(31 * 86_400_000_000))
    const other = guarded()
    await other.order({ ref: 'now' })
    await other.guard.close()
    expect(server.cli('HKEYS', '{onefold.0}m')).toContain('gone')
    await idle.order({ ref: 'then' })
    expect(await downstream.effects('then')).toBe(1)
    expect(await idle.guard.ledger.amnesia()).toBeUndefined()
    await idle.guard.close()
    for (const end of ends) end()
    await server.close()
  })

  it('a record that somebody deleted is a doubt, once it was missed; the mark is for all', async () => {
    const server = await startRedis()
    const client = new Redis(server.port, '127.0.0.1')
    const guard = testGuard({ store: redisStore({ client }), settings: { replayMemoryMs: 0 } })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: 'deleted' })
    await order({ ref: 'deleted in the middle' })
    server.cli('DEL', ...server.cli('KEYS', '{onefold.0}r*').trim().split('\n'))
    await expect(order({ ref: 'deleted' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await expect(order({ ref: 'deleted' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await expect(order({ ref: 'deleted in the middle' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(await guard.ledger.amnesia()).toBeDefined()
    expect(await downstream.effects('deleted')).toBe(1)
    expect(await downstream.effects('deleted in the middle')).toBe(1)
    await guard.close()
    client.disconnect()
    await server.close()
  })

  it('the first partition is gone when a process starts: what it held is a doubt', async () => {
    const server = await startRedis()
    const refs = Array.from({ length: 24 }, (_, n) => `partitioned ${n}`)
    async function call(): Promise<string[]> {
      const client = new Redis(server.port, '127.0.0.1')
      const guard = testGuard({ store: redisStore({ client, partitions: 4 }) })
      const order = orderTool(guard, downstream, { recovery: manual() })
      const told = await Promise.all(
        refs.map((ref) =>
          order({ ref }).then(
            () => 'done',
            (error: { readonly code: string }) => error.code,
          ),
        ),
      )
      await guard.close()
      client.disconnect()
      return told
    }
    expect(new Set(await call())).toEqual(new Set(['done']))
    server.cli('DEL', ...server.cli('KEYS', '{onefold.0}*').trim().split('\n'))
    expect(new Set(await call())).toEqual(new Set(['done', 'IN_DOUBT']))
    await server.close()
  })

  it('a partition is gone, and so is the answer to who makes it anew: what it held is a doubt all the same', async () => {
    const server = await startRedis()
    const proxy = await startTcpProxy(server.port)
    const open = (): { store: Store; end: () => void } => {
      const client = new Redis(proxy.port, '127.0.0.1', { retryStrategy: () => 5 })
      return { store: redisStore({ client, partitions: 2 }), end: () => client.disconnect() }
    }
    const first = open()
    await first.store.open()
    await first.store.close()
    first.end()
    server.cli('DEL', '{onefold.1}m')
    server.cli('SCRIPT', 'FLUSH')
    // The text of the script holds the reason's place; the client sends it again by itself.
    const lost = proxy.loseAnswer({ to: 'was not there any more' })
    const second = open()
    await second.store.open()
    await lost
    expect((await second.store.epoch()).amnesia?.why).toContain('was not there any more')
    await second.store.close()
    second.end()
    await proxy.close()
    await server.close()
  })

  it('unguarded, the same lost answer to the record’s write is a second effect', async () => {
    const server = await startRedis()
    const proxy = await startTcpProxy(server.port)
    const url = `redis://127.0.0.1:${proxy.port}`
    const client = createClient({ url, socket: { reconnectStrategy: () => 5 } })
    client.on('error', () => undefined)
    await client.connect()
    const ref = 'naive'
    async function naive(): Promise<void> {
      if ((await client.set(ref, 'claimed', { condition: 'NX' })) === null) return
      try {
        await place(downstream, { ref })
        await client.set(ref, 'done')
      } catch (error) {
        await client.del(ref)
        throw error
      }
    }
    const lost = proxy.loseAnswer({ to: 'done' })
    await expect(naive()).rejects.toBeDefined()
    await lost
    await naive()
    expect(await downstream.effects(ref)).toBe(2)
    client.destroy()
    await proxy.close()
    await server.close()
  })
})
