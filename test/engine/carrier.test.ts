import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { carryRun, composite, keyed, runFrom, type RunCarrier } from '../../src/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'
import { orderInput, orderTool, place } from '../support/order-tool.ts'

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('a run on its way to another process', () => {
  let downstream: Downstream
  let folder: ReturnType<typeof temporaryFolder>
  beforeEach(async () => {
    downstream = await startDownstream()
    folder = temporaryFolder()
  })
  afterEach(async () => {
    await downstream.close()
    folder.remove()
  })

  it('[BF-1] is resumed by a worker process from the headers: same run, same keys, one effect', async () => {
    const guard = testGuard({ store: sqliteStore(join(folder.path, 'ledger.db')) })
    const tool = orderTool(guard, downstream, { recovery: keyed('24h'), scope: 'run' })
    const { placed, headers } = await guard.run({ id: 'req-1', session: 'chat', traceparent: TRACE }, async () => ({
      placed: await tool({ ref: 'a' }),
      headers: carryRun(),
    }))
    expect(headers).toEqual({
      'onefold-run': 'req-1',
      'onefold-session': 'chat',
      'onefold-tenant': 'default',
      traceparent: TRACE,
    })
    await guard.close()
    const worker = fileURLToPath(new URL('./fixtures/carrier-worker.process.ts', import.meta.url))
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [worker, join(folder.path, 'ledger.db'), downstream.url, JSON.stringify(headers)],
      { encoding: 'utf8' },
    )
    expect(status, stderr).toBe(0)
    const answer = JSON.parse(stdout) as { placed: unknown; committed: number; run: string }
    expect(answer).toEqual({ placed, committed: 2, run: 'req-1' })
    expect([await downstream.effects('a'), await downstream.effects('b')]).toEqual([1, 1])
    const [request] = await downstream.requests('b')
    expect(request?.['onefold-run']).toBe('req-1')
  })

  it('goes the same way in the _meta of an MCP call, and takes a tenant only from a trusted sender', async () => {
    const guard = testGuard()
    const meta = await guard.run({ id: 'req-2', tenant: 'acme', traceparent: TRACE }, () => carryRun('meta'))
    expect(meta).toEqual({ 'io.onefold/run-id': 'req-2', 'io.onefold/tenant': 'acme', traceparent: TRACE })
    expect(runFrom(meta)).toEqual({ id: 'req-2', traceparent: TRACE })
    expect(runFrom(meta, { trustTenant: true })).toEqual({ id: 'req-2', tenant: 'acme', traceparent: TRACE })
    expect(runFrom(new Headers({ 'Onefold-Run': 'req-3', 'Onefold-Tenant': 'other' }))).toEqual({ id: 'req-3' })
    expect(runFrom({})).toEqual({})
    await guard.close()
  })

  it('carries nothing outside a run, and no id that a retry would not have; nested runs inherit', async () => {
    const guard = testGuard()
    expect(carryRun()).toEqual({})
    expect(await guard.run({}, () => carryRun())).toEqual({})
    const inner = await guard.run({ id: 'outer', traceparent: TRACE }, () => guard.run({}, () => carryRun()))
    expect(inner).toMatchObject({ 'onefold-run': 'outer', traceparent: TRACE })
    await guard.close()
  })

  it('takes the operation that hands work on along: a part delivered twice acts once, the next part anew', async () => {
    const file = join(folder.path, 'ledger.db')
    const guard = testGuard({ store: sqliteStore(file) })
    const handedOn: RunCarrier[] = []
    const order = guard.tool({
      name: 'order_in_two_places',
      input: orderInput,
      effect: 'write',
      identity: ['ref'],
      recovery: composite(),
      execute: () => void handedOn.push(carryRun(), carryRun('meta')),
    })
    const parent = await guard.run({ id: 'req-4' }, () => order.perform({ ref: 'whole' }))
    const worker = testGuard({ store: sqliteStore(file) })
    const tool = orderTool(worker, downstream, { recovery: keyed('24h'), scope: 'parent' })
    const work = (carrier: RunCarrier): Promise<string> =>
      worker.run(runFrom(carrier), async () => (await tool.perform({ ref: 'part' })).key)
    const [first = {}, second = {}] = handedOn
    const keys = [await work(first), await work(first), await work(second)]
    expect(keys[1]).toBe(keys[0])
    expect(await downstream.effects('part')).toBe(2)
    const { record } = await guard.ledger.show(keys[2] ?? '')
    expect(record).toMatchObject({ run: 'req-4', parent: { key: parent.key, ordinal: 1 } })
    await expect(worker.run({ id: 'req-4' }, () => tool({ ref: 'part' }))).rejects.toMatchObject({
      code: 'CONTRACT_INVALID',
    })
    await Promise.all([guard.close(), worker.close()])
  })

  it('refuses the operation that handed the work on as its own part, and reads no parent out of nonsense', async () => {
    const guard = testGuard()
    let carried: RunCarrier = {}
    const tool = orderTool(guard, downstream, {
      recovery: keyed('24h'),
      execute: async (input, context) => {
        carried = carryRun()
        return await place(downstream, input, context.fetch)
      },
    })
    await guard.run({ id: 'req-5' }, () => tool({ ref: 'once' }))
    await expect(guard.run(runFrom(carried), () => tool({ ref: 'once' }))).rejects.toMatchObject({
      code: 'RECURSIVE_OPERATION',
      effect: 'none',
    })
    expect(await downstream.effects('once')).toBe(1)
    const [key = ''] = carried['onefold-parent']?.split('/') ?? []
    for (const nonsense of ['', key, `${key}//`, `${key}/1/-1`, `${key}/1/0/0`, `${key}/1/1e3`, 'other/1/0'])
      expect(runFrom({ 'onefold-parent': nonsense }), nonsense).toEqual({})
    expect(runFrom({ 'onefold-parent': `${key}/7/2` })).toEqual({ parent: { key, fence: 7, ordinal: 2 } })
    await guard.close()
  })
})
