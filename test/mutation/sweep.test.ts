import { describe, expect, it } from 'vitest'
import type { HistoryEvent } from '../../src/engine/index.ts'
import { bench, coded, settle, type Bench, type OrderInput } from './bench.ts'
import { doubts, pair, probing } from './corners.ts'

const input = { ref: 'a' }
const eventOf = (args: readonly unknown[]): Partial<HistoryEvent> => (args[0] as { event?: HistoryEvent }).event ?? {}

/** A doubt whose caller is gone before anybody recovers it. */
async function left(b: Bench, options: object) {
  const tool = b.tool(options)
  b.downstream.plan('a', 'lose-answer')
  b.fault = (point) => {
    if (point === 'doubted') throw coded('crash')
  }
  await b.until(tool(input).catch(() => undefined))
  b.fault = () => undefined
  return tool
}

describe('the sweep', () => {
  it('asks the store nothing about what is not due, also under a mark', async () => {
    const b = bench({ settings: { recoveryBackoffMs: 60_000 } })
    let asked = 0
    const probe = (): unknown => {
      asked += 1
      return { found: 'unknown' }
    }
    await left(b, { recovery: probing(b, { probe }) })
    const accepting = b.tool({ name: 'ship', verify: () => void (asked += 1) })
    await b.until(accepting(input))
    await b.until(b.guard.internals.tick())
    await settle()
    expect(asked).toBe(2)
    await b.inner.markAmnesia({ at: b.time.storeMs() + 1, lossFrom: 0, why: 'test' })
    await b.until(b.guard.internals.tick())
    const reads: unknown[] = []
    b.trouble.request = (verb, args) => {
      if (verb === 'read') reads.push(args)
    }
    await b.until(b.guard.internals.tick())
    await settle()
    expect(reads).toEqual([])
    b.time.stepStore(60_000)
    await b.until(b.guard.internals.tick())
    await settle()
    expect(asked).toBe(4)
  })

  it('keeps no process alive for a recovery that nobody waits for', async () => {
    const b = bench()
    const tool = await left(b, { sends: 'checked', recovery: probing(b, { probe: () => ({ found: false }) }) })
    await b.until(b.guard.internals.tick())
    await settle()
    expect(b.record(tool, input)?.state).toBe('recovering')
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('leaves what was accepted under another major of its contract alone', async () => {
    const a = bench()
    const tool = a.tool({ verify: () => undefined })
    const { key } = await a.until(tool.perform(input))
    a.trouble.request = () => new Promise<void>(() => undefined)
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    let asked = 0
    b.tool({ version: 2, verify: () => (asked += 1) > 0 })
    const steps = await b.history(key)
    await b.until(b.guard.open())
    await b.time.advance(60_000)
    expect([asked, b.recordOf(key)?.state]).toEqual([0, 'accepted'])
    expect(await b.history(key)).toEqual(steps)
  })

  it('asks once at a time whether something happened, however long the answer takes', async () => {
    const b = bench()
    let asked = 0
    const verify = async (): Promise<boolean> => {
      asked += 1
      await new Promise<void>((resolve) => b.time.after(30_000, resolve))
      return true
    }
    const tool = b.tool({ verify })
    await b.until(tool(input))
    await b.time.advance(30_500)
    expect([asked, b.record(tool, input)?.state]).toEqual([1, 'accepted'])
    await b.time.advance(1_000)
    expect([asked, b.record(tool, input)?.state]).toEqual([1, 'committed'])
  })

  it('leaves no timer of a verification behind', async () => {
    const b = bench()
    const tool = b.tool({ verify: () => true })
    await b.until(tool(input))
    await b.until(b.guard.internals.tick())
    await settle()
    expect(b.record(tool, input)?.state).toBe('committed')
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  describe('of claims', () => {
    async function claimed() {
      const [a, b] = await pair()
      let fail = (): void => {}
      const prepare = (): Promise<never> => new Promise((_resolve, reject) => (fail = () => reject(coded('EAGAIN'))))
      const tool = a.tool({ prepare })
      void tool(input).catch(() => undefined)
      await settle()
      a.time.stepStore(30_000)
      return { a, b, tool, fail: () => fail() }
    }

    it('takes two steps', async () => {
      const { b, tool } = await claimed()
      const written: unknown[] = []
      b.trouble.request = (verb, args) => {
        if (verb === 'write') written.push(eventOf(args).transition)
      }
      await b.until(b.guard.internals.tick())
      expect(b.record(tool, input)?.state).toBe('released')
      expect(written).toEqual(['T4', 'T3'])
    })

    it('leaves one that its owner gives back in that moment released, and never marks it', async () => {
      const { b, tool, fail } = await claimed()
      let met = false
      b.trouble.request = async (verb, args) => {
        if (verb !== 'write' || eventOf(args).transition !== 'T4' || met) return
        met = true
        fail()
        await settle()
      }
      await b.until(b.guard.internals.tick())
      const record = b.record(tool, input)
      expect([record?.state, record?.openSends, record?.attempts]).toEqual(['released', 0, 0])
      expect((await b.history(record?.key ?? '')).slice(0, 2)).toEqual(['T1 absent>claimed', 'T3 claimed>released'])
    })

    it('leaves one that another sweep has just taken to that one', async () => {
      const { a, b, tool } = await claimed()
      const c = bench({ beside: a, self: 'host/boot/3/3' })
      await c.until(c.guard.open())
      let met = false
      b.trouble.request = async (verb, args) => {
        if (verb !== 'write' || eventOf(args).transition !== 'T4' || met) return
        met = true
        // The other one stops between its two steps.
        c.trouble.request = (other, given) =>
          other === 'write' && eventOf(given).transition === 'T3' ? new Promise<void>(() => undefined) : undefined
        void c.guard.internals.tick().catch(() => undefined)
        await settle()
      }
      await b.until(b.guard.internals.tick())
      expect(b.record(tool, input)).toMatchObject({ state: 'claimed', owner: 'host/boot/3/3' })
    })

    it.each(['before', 'during'])('tells the doubt that a loss %s it makes of one', async (when) => {
      const { a, b, tool } = await claimed()
      const mark = { at: a.time.storeMs(), lossFrom: 0, why: 'test' }
      if (when === 'before') await a.inner.markAmnesia(mark)
      else b.trouble.request = (verb) => (verb === 'write' ? a.inner.markAmnesia(mark) : undefined)
      await b.until(b.guard.internals.tick())
      expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
      expect(doubts(b)).toEqual(['amnesia'])
    })
  })

  describe('of notes of near-duplicates', () => {
    const near = { near: { fields: ['account'], within: '10m', then: 'hold' } }
    const order: OrderInput = { ref: 'a', account: 'x' }
    const noteOf = async (b: Bench) => (await b.guard.ledger.list({ tool: 'near:place_order' })).records[0]

    it('ends them with their window, though their operation is in doubt', async () => {
      const b = bench()
      const tool = b.tool(near)
      b.downstream.plan('a', 'lose-answer')
      await b.until(tool(order).catch(() => undefined))
      expect((await noteOf(b))?.state).toBe('claimed')
      b.time.stepStore(600_000)
      await b.until(b.guard.internals.tick())
      expect(b.record(tool, order)?.state).toBe('in-doubt')
      expect((await noteOf(b))?.state).toBe('released')
    })

    it('makes no doubt of them after a loss: they never act', async () => {
      const b = bench()
      const tool = b.tool(near)
      await b.until(tool(order))
      b.time.stepStore(600_000)
      await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
      await b.until(b.guard.internals.tick())
      expect((await noteOf(b))?.state).toBe('released')
      expect(doubts(b)).toEqual([])
    })
  })
})
