import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { manual } from '../../src/contract/index.ts'
import type { ProtectedTool } from '../../src/engine/index.ts'
import { dynamodbStore } from '../../src/store/dynamodb/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool, place, type OrderInput, type Placed } from '../support/order-tool.ts'
import { startDynalite, type Dynalite } from '../support/servers/dynalite.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { CUTS, expectNothingWhileFrozen, expectOneEachOverAKill, insist, ordersDuring } from '../support/trouble.ts'

const DEADLINE_MS = 500

describe('A DynamoDB ledger in trouble', () => {
  let server: Dynalite
  let proxy: TcpProxy
  let downstream: Downstream
  const ends: (() => Promise<void>)[] = []
  beforeAll(async () => {
    downstream = await startDownstream()
    server = await startDynalite({ files: true })
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
    await downstream.close()
  })

  async function guarded(during?: () => Promise<void>): Promise<ProtectedTool<OrderInput, Placed>> {
    const client = server.client(proxy.port)
    const store = dynamodbStore({ client, table: await server.table(), deadlineMs: DEADLINE_MS })
    // Every call asks the ledger: what becomes of that is the subject here.
    const settings = { storeDeadlineMs: DEADLINE_MS + 200, leaseMs: 4_000, replayMemoryMs: 0 }
    const guard = testGuard({ store, settings })
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      execute: async (input, context) => {
        const placed = await place(downstream, input, context.fetch)
        await during?.()
        return placed
      },
    })
    await guard.open()
    ends.push(async () => {
      await guard.close().catch(() => undefined)
      client.destroy()
    })
    return order
  }

  // The SDK sends again by itself, and meets its own write: of the record, of the sequence, of the outcome.
  it.each([
    ['PutItem', 1],
    ['UpdateItem', 1],
    ['UpdateItem', 2],
    ['UpdateItem', 3],
  ])('a lost acknowledgement of %s %i is recognised as our own', async (to, nth) => {
    const order = await guarded()
    const ref = `lost acknowledgement of ${to} ${nth}`
    const lost = proxy.loseAnswer({ to, nth })
    expect(await order.perform({ ref })).toMatchObject({ status: 'committed' })
    await lost
    expect(await order.perform({ ref })).toMatchObject({ replayed: true })
    expect(await downstream.effects(ref)).toBe(1)
  })

  it('a frozen server starts no effect; after it has thawed each happens once', async () => {
    await expectNothingWhileFrozen(server, downstream, await guarded(), 'ledger')
  })

  it('a server killed after the effect and started again: one effect, recorded', async () => {
    const ref = 'killed after the effect'
    const order = await guarded(async () => {
      await server.kill()
      await server.start()
    })
    expect(await order.perform({ ref })).toMatchObject({ status: 'committed' })
    expect(await insist(order, ref)).toBe('done')
    expect(await downstream.effects(ref)).toBe(1)
  })

  it('a server that is killed in the middle of many calls, and comes back', async () => {
    await expectOneEachOverAKill(server, downstream, await guarded(), 'ledger')
  })

  it.each(CUTS)('when %s', async (...cut) => {
    expect(await ordersDuring(cut, proxy, downstream, await guarded(), 'network')).toEqual([])
  })

  it('unguarded, the same lost answer to the record’s write is a second effect', async () => {
    const client = server.client(proxy.port)
    const TableName = 'naive'
    await client.createTable({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    })
    const status = async (): Promise<unknown> => (await client.describeTable({ TableName })).Table?.TableStatus
    await expect.poll(status, { interval: 10, timeout: 10_000 }).toBe('ACTIVE')
    const ref = 'naive'
    const Key = { id: { S: ref } }
    async function naive(): Promise<void> {
      await client.putItem({ TableName, Item: Key, ConditionExpression: 'attribute_not_exists(done)' })
      try {
        await place(downstream, { ref })
        await client.updateItem({ TableName, Key, UpdateExpression: 'SET done = id' })
      } catch (error) {
        await client.deleteItem({ TableName, Key })
        throw error
      }
    }
    // As often as the SDK sends it.
    const attempts = await client.config.maxAttempts()
    const lost = Array.from({ length: attempts }, () => proxy.loseAnswer({ to: 'UpdateItem' }))
    await expect(naive()).rejects.toMatchObject({ code: 'ECONNRESET' })
    await Promise.all(lost)
    await naive()
    expect(await downstream.effects(ref)).toBe(2)
  })
})
