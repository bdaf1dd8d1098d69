import { describe, expect, it } from 'vitest'
import { closeFor, openFor } from '../../src/engine/store-users.ts'
import { createMakers } from '../../src/engine/makers.ts'
import { keyed, type Contract, type ToolContext } from '../../src/contract/index.ts'
import type { Store } from '../../src/engine/index.ts'
import { bench, contractOf, refusalOf, type Bench } from './bench.ts'

const record = (key: string, tenant = 'a', tool = 'pay') => ({ key, tenant, tool }) as never

function make() {
  const latest = contractOf({ name: 'pay' })
  const own = contractOf({ name: 'pay' })
  const contracts = new Map<string, Contract>([['pay', latest]])
  return { latest, own, makers: createMakers(contracts) }
}

describe('what nobody waits for is settled', () => {
  it('with the contract of its name, where that was made by nobody in particular or by one', () => {
    const { latest, makers } = make()
    expect(makers.contractFor(record('k'))).toBe(latest)
    expect(makers.contractFor(record('k', 'a', 'gone'))).toBeUndefined()
    const maker = (): number => 1
    makers.note('pay', maker, undefined)
    makers.note('pay', maker, undefined)
    expect(makers.contractFor(record('k', 'any'))).toBe(latest)
  })

  it('with none where several were made, of whom it is not known whose it is', () => {
    const { makers } = make()
    makers.note('pay', {}, undefined)
    makers.note('pay', {}, undefined)
    expect(makers.contractFor(record('k'))).toBeUndefined()
  })

  it('for the tenant alone that it was made for, until it is made for another one too', () => {
    const { latest, makers } = make()
    const maker = {}
    makers.note('pay', maker, 'a')
    makers.note('pay', maker, 'a')
    expect([makers.contractFor(record('k', 'a')), makers.contractFor(record('k', 'b'))]).toEqual([latest, undefined])
    makers.note('pay', maker, 'b')
    expect(makers.contractFor(record('k', 'b'))).toBe(latest)
  })

  it('with the contract of its own call while it is open: the first that began, the last that was in doubt', () => {
    const { own, latest, makers } = make()
    makers.began('k', own)
    expect(makers.contractFor(record('k'))).toBe(latest)
    makers.note('pay', {}, undefined)
    makers.note('pay', {}, undefined)
    const other = contractOf({ name: 'pay' })
    makers.began('k', own)
    makers.began('k', other)
    expect(makers.contractFor(record('k'))).toBe(own)
    makers.doubted('k', other)
    expect(makers.contractFor(record('k'))).toBe(other)
    makers.doubted('of another tool', contractOf({ name: 'mail' }))
    expect(makers.contractFor(record('of another tool'))).toBeUndefined()
    makers.settled('k')
    expect(makers.contractFor(record('k'))).toBeUndefined()
  })

  it('with what a guard was told, in the tenant of the run', async () => {
    const b = bench()
    const contract = contractOf({ name: 'pay' })
    await b.guard.run({ id: 'r', tenant: 'a' }, () => b.guard.internals.register(contract, {}))
    expect(b.guard.internals.register(contract, {})).toBe(contract)
  })
})

describe('two tools of one name', () => {
  const KEYED = { recovery: keyed('24h') }
  /** One is left in doubt by a process that ends; the next process protects it, and `others`, and waits for nobody. */
  async function restarted(others: (b: Bench) => void) {
    const before = bench()
    before.downstream.plan('a', 'lose-answer', 'lose-answer', 'lose-answer')
    const doubt = await refusalOf(before.until(before.tool(KEYED)({ ref: 'a' }, { waitMs: 1 })))
    await before.until(before.guard.close())
    const b = bench({ beside: before, self: 'host/boot/2/2' })
    const tool = b.tool(KEYED)
    others(b)
    await b.until(b.guard.open())
    await b.time.advance(120_000)
    return { b, tool, state: () => b.recordOf(doubt.key ?? '')?.state }
  }

  it('what one has left in doubt is never sent by the other: it waits for an equal call', async () => {
    const { b, tool, state } = await restarted((own) => {
      own.tool({
        ...KEYED,
        execute: (_input: unknown, context: ToolContext) => own.downstream.send({ ref: 'other' }, context),
      })
    })
    expect([state(), b.downstream.effects('other')]).toEqual(['in-doubt', 0])
    expect(await b.until(tool({ ref: 'a' }))).toMatchObject({ ref: 'a' })
    expect([state(), b.downstream.effects('a'), b.downstream.effects('other')]).toEqual(['committed', 1, 0])
  })

  it('are told of once, to whoever listens by then; one that is built anew is no other', async () => {
    const b = bench()
    b.tool()
    b.tool()
    b.tool({ execute: () => 1 })
    b.tool({ execute: () => 2 })
    const heard: unknown[] = []
    b.guard.on('alarm', ({ tool, message }) => heard.push([tool, message]))
    await Promise.resolve()
    expect(heard).toEqual([['place_order', expect.stringContaining('different functions have this name')]])
  })

  it('one that is built anew for each request is one tool, and its doubts settle themselves', async () => {
    const { b, state } = await restarted((own) => void own.tool(KEYED))
    expect([state(), b.downstream.effects('a')]).toEqual(['committed', 1])
  })
})

describe('a store of several', () => {
  function store() {
    const calls: string[] = []
    const ends: (() => void)[] = []
    const held = {
      open: async () => void calls.push('open'),
      close: () => {
        calls.push('close')
        return new Promise<void>((resolve) => ends.push(resolve))
      },
    } as unknown as Store
    return { calls, ends, held }
  }

  it('is closed by the last, and opened again when that close has ended', async () => {
    const { calls, ends, held } = store()
    const [one, other] = [{}, {}]
    await openFor(one, held)
    await openFor(other, held)
    await closeFor(one, held)
    expect(calls).toEqual(['open', 'open'])
    const closing = closeFor(other, held)
    const again = openFor(one, held)
    await Promise.resolve()
    expect(calls).toEqual(['open', 'open', 'close'])
    ends[0]?.()
    await closing
    await again
    expect(calls).toEqual(['open', 'open', 'close', 'open'])
  })

  it('waits for the later of two closes', async () => {
    const { calls, ends, held } = store()
    const [first, second] = [closeFor({}, held), closeFor({}, held)]
    const open = openFor({}, held)
    ends[0]?.()
    await first
    expect(calls).toEqual(['close', 'close'])
    ends[1]?.()
    await second
    await open
    expect(calls).toEqual(['close', 'close', 'open'])
  })

  it('is closed for others where one could not open it', async () => {
    const { calls, ends, held } = store()
    const broken: Store = Object.create(held, { open: { value: () => Promise.reject(new Error('gone')) } }) as Store
    await expect(openFor({}, broken)).rejects.toThrow('gone')
    const closing = closeFor({}, broken)
    expect(calls).toEqual(['close'])
    ends[0]?.()
    await closing
  })
})
