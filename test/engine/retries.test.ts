import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { idempotent, keyed, manual, probe, type RecoveryClass } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { findOrder, orderTool, place, type OrderInput, type Placed } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

/** The way an agent's stack repeats a failed call: up to three times, whatever went wrong. */
async function stubbornly<T>(call: () => Promise<T>, times = 4): Promise<T | Error> {
  let last: Error = new Error('never called')
  for (let attempt = 0; attempt < times; attempt += 1) {
    try {
      return await call()
    } catch (error) {
      last = error as Error
    }
  }
  return last
}

describe('control: without protection', () => {
  it('a lost answer, a 503 after the effect and a 429 after the effect each duplicate', async () => {
    for (const fault of ['lose-answer', 'fail-after', 'limit-after'] as const) {
      const ref = `control-${fault}`
      await downstream.plan(ref, fault)
      await stubbornly(() => place(downstream, { ref }))
      expect(await downstream.effects(ref)).toBe(2)
    }
  })
})

describe.each(STORES)('on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let guard: Guard
  beforeEach(() => {
    guard = testGuard({ store: makeStore(`${folder.path}/${Math.random()}`) })
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  const ref = (what: string): string => `${name}-${what}`
  const tool = (recovery: RecoveryClass) =>
    orderTool(guard, downstream, {
      recovery: {
        keyed: () => keyed('24h'),
        probe: () => probe((input: OrderInput) => findOrder(downstream, input), { settle: '10ms' }),
        idempotent: () =>
          idempotent({ precondition: async (input: OrderInput) => !(await findOrder(downstream, input)).found }),
        manual: () => manual(),
        transactional: () => manual(),
        composite: () => manual(),
      }[recovery](),
    })

  it('keyed: a lost answer is settled under the same key, and the caller gets the original [SH-1][BF-3]', async () => {
    const order = tool('keyed')
    await downstream.plan(ref('keyed'), 'lose-answer', 'lose-answer')
    const outcome = await order.perform({ ref: ref('keyed') })
    expect(outcome).toMatchObject({ status: 'committed', replayed: false, attempts: 3 - 1 })
    expect(await order({ ref: ref('keyed') })).toEqual(outcome.value)
    expect(await downstream.effects(ref('keyed'))).toBe(1)
    const keys = (await downstream.requests(ref('keyed'))).map((headers) => headers['idempotency-key'])
    expect(new Set(keys).size).toBe(1)
  })

  it('keyed: a 503 whose effect happened is one effect however often the stack retries [SH-1]', async () => {
    const order = tool('keyed')
    await downstream.plan(ref('503'), 'fail-after')
    await stubbornly(() => order({ ref: ref('503') }))
    await stubbornly(() => order({ ref: ref('503') }))
    expect(await downstream.effects(ref('503'))).toBe(1)
  })

  it('manual: 429 after the effect, retried after back-off: one effect and a listed doubt [AG-9][BF-4]', async () => {
    const order = tool('manual')
    await downstream.plan(ref('429'), 'limit-after')
    const result = await stubbornly(() => order({ ref: ref('429') }))
    expect(result).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(await downstream.effects(ref('429'))).toBe(1)
    const listed = await guard.ledger.list({ states: ['in-doubt'] })
    expect(listed.records.map((record) => record.reason)).toEqual(['threw'])
  })

  it('probe: finds the effect whose answer was lost, and runs anew where there was none', async () => {
    const order = tool('probe')
    await downstream.plan(ref('probe'), 'lose-answer')
    expect(await order({ ref: ref('probe') })).toMatchObject({ ref: ref('probe') })
    await downstream.plan(ref('probe-none'), 'lose-request')
    expect(await order({ ref: ref('probe-none') })).toMatchObject({ ref: ref('probe-none') })
    expect([await downstream.effects(ref('probe')), await downstream.effects(ref('probe-none'))]).toEqual([1, 1])
  })

  it('idempotent: re-applied only while its precondition holds', async () => {
    const order = tool('idempotent')
    await downstream.plan(ref('idem'), 'lose-request')
    expect(await order({ ref: ref('idem') })).toMatchObject({ ref: ref('idem') })
    await downstream.plan(ref('idem-done'), 'lose-answer')
    await expect(order({ ref: ref('idem-done') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect([await downstream.effects(ref('idem')), await downstream.effects(ref('idem-done'))]).toEqual([1, 1])
  })

  it('a refusal is told as such and a corrected call runs: 422, then success [BF-3][BF-4]', async () => {
    const order = tool('manual')
    await downstream.plan(ref('422'), 'refuse')
    await expect(order({ ref: ref('422'), amount: 1 })).rejects.toMatchObject({ code: 'REJECTED', effect: 'none' })
    expect(await order({ ref: ref('422'), amount: 2 })).toMatchObject({ ref: ref('422') })
    expect(await downstream.effects(ref('422'))).toBe(1)
    const { history } = await guard.ledger.show((await order.perform({ ref: ref('422'), amount: 2 })).key)
    // However long each took.
    const moves = history.map(({ transition }) => transition).filter((transition) => transition !== 'heartbeat')
    expect(moves).toEqual(["T1'", 'T6', "T1'", 'T5'])
  })

  it('a refused connection is proof that nothing was sent: the second attempt runs, no doubt [BF-4]', async () => {
    let port = await closedPort()
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      execute: (input, context) => place({ ...downstream, url: port }, input, context.fetch),
    })
    await expect(order({ ref: ref('refused') })).rejects.toMatchObject({
      code: 'REJECTED',
      effect: 'none',
      retryable: true,
    })
    port = downstream.url
    expect(await order({ ref: ref('refused') })).toMatchObject({ ref: ref('refused') })
    expect(await downstream.effects(ref('refused'))).toBe(1)
  })

  it('a tool that returns the error it was answered is told of: its value is recorded as done', async () => {
    const alarms: string[] = []
    guard.on('alarm', ({ message }) => alarms.push(message))
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      execute: async (input, { fetch: send }) => {
        const post = (): Promise<Response> =>
          send(`${downstream.url}/effects/${input.ref}`, { method: 'POST', body: JSON.stringify(input) })
        let response = await post()
        if (input.note === 'stubborn' && !response.ok) response = await post()
        return (await response.json()) as Placed
      },
    })
    for (const [what, note] of [
      ['unread', undefined],
      ['stubborn', 'stubborn'],
    ] as const) {
      await downstream.plan(ref(what), 'fail-before')
      await order({ ref: ref(what), ...(note === undefined ? {} : { note }) })
    }
    expect(alarms).toEqual([expect.stringContaining('though the service answered 503')])
    expect([await downstream.effects(ref('unread')), await downstream.effects(ref('stubborn'))]).toEqual([0, 1])
  })

  it('thrown before the marker is released, thrown after it is doubt: only the former runs again [BF-4]', async () => {
    let failures = 1
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      prepare: () => {
        if (failures-- > 0) throw new Error('the price service is down')
      },
    })
    await expect(order({ ref: ref('prepare') })).rejects.toMatchObject({ code: 'REJECTED', effect: 'none' })
    expect(await order({ ref: ref('prepare') })).toMatchObject({ ref: ref('prepare') })
    expect(await downstream.effects(ref('prepare'))).toBe(1)
  })

  it('an attempt past its deadline is doubt; its late answer settles it, and nobody runs it again', async () => {
    // A tool that ignores the attempt's signal: its request is still under way when the deadline passes.
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      timeout: '60ms',
      execute: (input) => place(downstream, input),
    })
    await downstream.plan(ref('late'), 'hold')
    await expect(order({ ref: ref('late') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await expect(order({ ref: ref('late') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    const settled = transitionTo(guard, 'committed')
    await downstream.release(ref('late'))
    expect(await settled).toBe('T9')
    expect(await order({ ref: ref('late') })).toMatchObject({ ref: ref('late') })
    expect(await downstream.effects(ref('late'))).toBe(1)
  })
})

function transitionTo(guard: Guard, state: string): Promise<string> {
  return new Promise((resolve) => {
    guard.on('transition', ({ event }) => {
      if (event.to === state) resolve(event.transition)
    })
  })
}

/** A loopback address on which nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
