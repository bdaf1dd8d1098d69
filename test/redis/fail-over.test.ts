import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { keyed, manual } from '../../src/contract/index.ts'
import type { Guard, Settings } from '../../src/engine/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool, place } from '../support/order-tool.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const ALWAYS = { appendonly: 'yes', appendfsync: 'always' }
const DEADLINE_MS = 400

describeWithServer(REDIS, 'A fail-over to a replica that lacks what was acknowledged', () => {
  let downstream: Downstream
  let primary: RedisServer
  let replica: RedisServer
  /** Between the replica and its primary. */
  let link: TcpProxy
  /** Between clients and whoever is primary. */
  let front: TcpProxy
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    downstream = await startDownstream()
  })
  afterAll(async () => await downstream.close())
  beforeEach(async () => {
    primary = await startRedis({ ...ALWAYS, 'repl-diskless-sync-delay': 0 })
    link = await startTcpProxy(primary.port)
    front = await startTcpProxy(primary.port)
    replica = await startRedis({ ...ALWAYS, replicaof: `127.0.0.1 ${link.port}` })
    // The primary counts a replica once it has heard from it.
    while (!primary.cli('INFO', 'replication').includes('state=online')) await pause(10)
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
    await Promise.all([front.close(), link.close()])
    await Promise.all([primary.close(), replica.close()])
  })

  function guarded(settings: Partial<Settings> = {}): Guard {
    const client = new Redis(front.port, '127.0.0.1', { retryStrategy: () => 10 })
    const guard = testGuard({
      store: redisStore({ client, deadlineMs: DEADLINE_MS }),
      // What is lost is found by asking the ledger, not by remembering.
      settings: { storeDeadlineMs: DEADLINE_MS + 100, leaseMs: 4_000, replayMemoryMs: 0, ...settings },
    })
    ends.push(async () => {
      await guard.close().catch(() => undefined)
      client.disconnect()
    })
    return guard
  }

  const offset = (server: RedisServer): string | undefined =>
    /^(?:slave|master)_repl_offset:(\d+)/m.exec(server.cli('INFO', 'replication'))?.[1]
  /** What the replica has by now is what it will have. */
  async function cutLink(): Promise<void> {
    await expect.poll(() => offset(replica) === offset(primary), { interval: 10, timeout: 10_000 }).toBe(true)
    link.set({ blackhole: ['answers', 'requests'] })
  }
  /** The primary dies, the replica is promoted. */
  async function failOver(): Promise<void> {
    await primary.kill()
    replica.cli('REPLICAOF', 'NO', 'ONE')
    front.aim(replica.port)
    front.cut()
    await expect.poll(() => replica.cli('ROLE'), { interval: 10, timeout: 10_000 }).toContain('master')
  }

  it('unguarded, a lock gives the same claim twice: two effects', async () => {
    const client = new Redis(front.port, '127.0.0.1', { retryStrategy: () => 10 })
    ends.push(async () => client.disconnect())
    const naive = async (): Promise<void> => {
      if ((await client.set('lock', 'mine', 'NX')) === 'OK') await place(downstream, { ref: 'lock' })
    }
    await cutLink()
    await naive()
    await naive()
    expect(await downstream.effects('lock')).toBe(1)
    await failOver()
    await naive()
    expect(await downstream.effects('lock')).toBe(2)
  })

  it('a manual tool does not start what the replica does not have, and runs once after the fail-over', async () => {
    const order = orderTool(guarded(), downstream, { recovery: manual() })
    await order({ ref: 'before' })
    await cutLink()
    await expect(order({ ref: 'manual' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await downstream.effects('manual')).toBe(0)
    await failOver()
    for (const ref of ['before', 'manual']) {
      const told = await until(() => orderTool(guarded(), downstream, { recovery: manual() })({ ref }))
      expect(told, ref).toBe('done')
      expect(await downstream.effects(ref), ref).toBe(1)
    }
  })

  it('a manual tool does not start what was answered too late to say whether the replica has it', async () => {
    const settings = { sweepMs: 600_000, leaseMs: 30_000 }
    const order = orderTool(guarded(settings), downstream, { recovery: manual() })
    await order({ ref: 'in time' })
    await cutLink()
    // The store gives up, and reads again, before the server has waited for the replica in vain.
    front.set({ latencyMs: DEADLINE_MS * 0.3 })
    await expect(order({ ref: 'late' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await downstream.effects('late')).toBe(0)
  })

  it('a keyed tool’s lost record is noticed: marked for all, and the repeat is told as doubt', async () => {
    await downstream.honoursKeys(true)
    const guard = guarded()
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await order({ ref: 'kept' })
    await cutLink()
    await order({ ref: 'keyed' })
    expect(await downstream.effects('keyed')).toBe(1)
    await failOver()
    await expect
      .poll(async () => await guard.ledger.amnesia().catch(() => undefined), { interval: 20, timeout: 20_000 })
      .toBeDefined()
    expect(await until(() => order({ ref: 'keyed' }))).toBe('doubt')
    expect(await until(() => order({ ref: 'kept' }))).toBe('done')
    // Another process, which remembers nothing, finds the mark.
    expect(await until(() => orderTool(guarded(), downstream, { recovery: keyed('24h') })({ ref: 'keyed' }))).toBe(
      'doubt',
    )
    expect(await downstream.effects('keyed')).toBe(1)
    expect(await downstream.effects('kept')).toBe(1)
  })

  it('the first answer after the fail-over is lost: what the replica lacks is a doubt all the same', async () => {
    await downstream.honoursKeys(true)
    // No look at the epoch comes first.
    const order = orderTool(guarded({ sweepMs: 600_000 }), downstream, { recovery: keyed('24h') })
    await order({ ref: 'kept too' })
    await cutLink()
    await order({ ref: 'lost' })
    await failOver()
    // The new primary does not know the script of a write yet, so its text is sent.
    const lost = front.loseAnswer({ to: 'ZADD' })
    await until(() => order({ ref: 'next' }))
    await lost
    expect(await until(() => order({ ref: 'lost' }))).toBe('doubt')
    expect(await until(() => order({ ref: 'kept too' }))).toBe('done')
  })

  it('a ledger that was emptied under its engines is marked, and nothing is repeated', async () => {
    const guard = guarded()
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: 'flushed' })
    primary.cli('FLUSHALL')
    expect(await until(() => order({ ref: 'flushed' }))).toBe('doubt')
    expect(await guard.ledger.amnesia()).toBeDefined()
    expect(await downstream.effects('flushed')).toBe(1)
  })

  async function until(call: () => Promise<unknown>): Promise<'done' | 'doubt'> {
    for (let n = 0; n < 400; n += 1) {
      try {
        await call()
        return 'done'
      } catch (error) {
        const { code, retryable } = error as { readonly code?: string; readonly retryable?: boolean }
        if (code === 'IN_DOUBT') return 'doubt'
        if (retryable !== true) throw error
        await pause(20)
      }
    }
    throw new Error('nobody says what became of it')
  }
})
