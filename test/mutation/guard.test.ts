import { describe, expect, it } from 'vitest'
import { createGuard } from '../../src/engine/index.ts'
import { thrownBy } from '../vectors/attempt.ts'
import { bench, contractOf, refusalOf, unavailable } from './bench.ts'

describe('a guard', () => {
  it('refuses a store that forgets, unless that is wanted', () => {
    const b = bench()
    const given = {
      store: b.inner,
      clock: b.time,
      ids: { nonce: () => '', runId: () => '' },
      processes: { self: '', isDead: () => false },
    }
    for (const allowVolatile of [undefined, false])
      expect(
        thrownBy(() => createGuard(allowVolatile === undefined ? given : { ...given, allowVolatile })),
      ).toMatchObject({ code: 'STORE_UNSAFE' })
    const durable = { ...b.inner, guarantees: { ...b.inner.guarantees, durability: 'process' as const } }
    expect(thrownBy(() => createGuard({ ...given, store: durable }))).toBeUndefined()
  })

  it('registers a name once, unless it is the same contract', () => {
    const b = bench()
    b.tool()
    b.tool()
    expect(thrownBy(() => b.tool({ identity: 'all' }))).toMatchObject({ code: 'CONTRACT_INVALID' })
    const contract = contractOf({ name: 'other' })
    expect(b.guard.internals.register(contract)).toBe(contract)
    expect(b.guard.internals.register(contract)).toBe(contract)
    expect(b.guard.contracts().map(({ name }) => name)).toEqual(['place_order', 'other'])
    expect(thrownBy(() => b.tool({ name: 'once', identity: ['x'] }))).toMatchObject({ code: 'CONTRACT_INVALID' })
  })

  it('refuses a class that its store cannot keep', () => {
    const tool = { recovery: { class: 'transactional' } }
    expect(thrownBy(() => bench().tool(tool))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(thrownBy(() => bench({ guarantees: { transactions: true } }).tool(tool))).toBeUndefined()
  })

  it('describes its tools', () => {
    const b = bench()
    const tool = b.tool()
    expect(tool.description).toEqual(tool.contract.describe())
    expect(tool.contract.name).toBe('place_order')
  })

  it('leaves a listener its choice', async () => {
    const b = bench()
    const heard: string[] = []
    const leave = b.guard.on('transition', ({ event }) => void heard.push(event.transition))
    await b.until(b.tool()({ ref: 'a' }))
    leave()
    await b.until(b.tool()({ ref: 'b' }))
    expect(heard).toEqual(["T1'", 'T5'])
  })

  it('takes a key and a function', async () => {
    const b = bench()
    let runs = 0
    const work = () => (runs += 1)
    expect(await b.until(b.guard.once('k', work))).toBe(1)
    expect(await b.until(b.guard.once('k', work))).toBe(1)
    expect(await b.until(b.guard.once('k', work, { occurrence: 2 }))).toBe(2)
    expect(await b.until(b.guard.once('other', work))).toBe(3)
    const { records } = await b.guard.ledger.list()
    expect(records.map(({ tool, recovery }) => [tool, recovery])).toEqual(
      Array.from({ length: 3 }, () => ['once', 'manual']),
    )
    expect(b.guard.contracts()).toEqual([])
  })

  it('keeps blobs beside the ledger', async () => {
    const b = bench()
    const owner = { key: 'k', tenant: 'default' }
    await b.guard.internals.blobs.putBlob(owner, 'hash', Buffer.from('x'))
    expect(Buffer.from((await b.guard.internals.blobs.getBlob(owner, 'hash'))!).toString()).toBe('x')
    b.trouble.request = () => {
      throw unavailable()
    }
    expect(await refusalOf(b.guard.internals.blobs.getBlob(owner, 'hash'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('parses input first, also where the schema answers later', async () => {
    const b = bench()
    const later = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value: object) => ({ value: { ...value, amount: 1 } }),
      },
    }
    const tool = b.tool({ input: later })
    await b.until(tool({ ref: 'a' }))
    expect(b.record(tool, { ref: 'a' })?.input).toBe('{"ref":"a","amount":1}')
  })
})
