import { describe, expect, it } from 'vitest'
import type { HistoryEvent } from '../../src/engine/index.ts'
import { bench, coded, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { alarms, doubts, hold, left, pair, probing } from './corners.ts'

const input = { ref: 'a' }
const eventOf = (args: readonly unknown[]): Partial<HistoryEvent> => (args[0] as { event?: HistoryEvent }).event ?? {}

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

  it.each<[string, object]>([
    ['can never be asked', { verify: () => Promise.reject(coded('ENOTFOUND')) }],
    ['does not know yet', { verify: () => undefined }],
    ['is gone from the contract', {}],
    ['is of another major by now', { version: 2, verify: () => true }],
  ])('makes a doubt of what was accepted and whose verify %s, once its retention is over', async (_what, options) => {
    const a = bench()
    const { key } = await a.until(a.tool({ verify: () => undefined }).perform(input))
    await a.until(a.guard.close())
    await a.inner.open()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    b.tool(options)
    await b.until(b.guard.open())
    const passed = async (ms: number): Promise<string | undefined> => {
      b.time.stepStore(ms)
      await b.time.advance(10_000)
      return b.recordOf(key)?.state
    }
    expect(await passed(86_400_000 - 60_000)).toBe('accepted')
    expect(await passed(60_000)).toBe('in-doubt')
    expect(doubts(b)).toEqual(['verification-failed'])
    await b.guard.ledger.resolve(key, { verdict: 'committed', who: 'ada', note: 'asked the bank' })
    expect(b.recordOf(key)).toMatchObject({ state: 'committed', attempts: 1 })
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

  it('brings what a dead process left to a doubt, and tells it', async () => {
    const b = bench()
    const { key } = await hold(b)
    b.time.stepStore(29_999)
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('executing')
    b.time.stepStore(1)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
    expect(other.events.filter(({ name }) => name === 'doubt')).toEqual([
      expect.objectContaining({ key, reason: 'lease-over', ticket: key.slice(4, 16) }),
    ])
    await b.until(other.guard.internals.tick())
    expect(other.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
  })

  it('releases a claim whose owner went away before it sent anything', async () => {
    const b = bench()
    const tool = b.tool({ prepare: () => new Promise(() => undefined) })
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    const { key } = b.record(tool, { ref: 'a' })!
    b.time.stepStore(29_999)
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('claimed')
    b.time.stepStore(1)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'released', owner: 'host/boot/2/1', input: '{"ref":"a"}' })
    expect(await b.history(key)).toEqual(['T1 absent>claimed', 'T4 claimed>claimed', 'T3 claimed>released'])
    expect((await b.inner.history(key, 'default')).at(-1)?.why).toContain('owner went away')
  })

  it('but not under a mark, nor when the loss shows only now', async () => {
    for (const when of ['before', 'during'] as const) {
      const b = bench()
      const tool = b.tool({ prepare: () => new Promise(() => undefined) })
      void tool({ ref: 'a' }).catch(() => undefined)
      await settle()
      const { key } = b.record(tool, { ref: 'a' })!
      b.time.stepStore(30_000)
      const other = bench({ beside: b, self: 'host/boot/2/1' })
      await other.guard.open()
      const mark = { at: b.time.storeMs(), lossFrom: 0, why: 'test' }
      if (when === 'before') await b.inner.markAmnesia(mark)
      else other.trouble.request = (verb) => (verb === 'write' ? b.inner.markAmnesia(mark) : undefined)
      await b.until(other.guard.internals.tick())
      expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
    }
  })

  it('recovers what recovers by itself, each once at a time, for tools that are registered here', async () => {
    const b = bench()
    let asked = 0
    const recovery = {
      class: 'probe',
      settleMs: 0,
      probe: async () => {
        asked += 1
        await new Promise<void>((resolve) => b.time.after(5_000, resolve))
        return { found: true, value: { id: 7, ref: 'a' } }
      },
    }
    const tool = await left(b, { recovery })
    const { key } = b.record(tool, { ref: 'a' })!
    const stranger = bench({ beside: b })
    await b.until(stranger.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    const newer = bench({ beside: b })
    newer.tool({ recovery, version: 2 })
    await b.until(newer.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    await b.guard.internals.tick()
    await b.guard.internals.tick()
    expect(b.recordOf(key)?.state).toBe('recovering')
    expect(asked).toBe(1)
    await b.time.advance(5_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'committed', outcome: { text: '{"id":7,"ref":"a"}' } })
    expect(alarms(b)).toEqual([])
  })

  it('tells a recovery that failed, and begins it again', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'keyed', windowMs: 86_400_000, settleMs: 0 } })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      if (point === 'doubted' || point === 'before-resend') throw coded('crash')
    }
    await b.until(tool({ ref: 'a' }).catch(() => undefined))
    const { key } = b.record(tool, { ref: 'a' })!
    await b.guard.internals.tick()
    await settle()
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([
      { name: 'alarm', key, tenant: 'default', tool: 'place_order', run: undefined, message: 'recovery failed: crash' },
    ])
    b.fault = () => undefined
    // Its lease runs out first.
    await b.time.advance(33_000)
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('goes on where it stopped when there is more than a sweep holds', async () => {
    const b = bench()
    const pages: unknown[] = []
    b.trouble.answer = (verb, args) => {
      if (verb !== 'due') return undefined
      pages.push(args)
      return { records: [], next: `${pages.length}`, now: b.time.storeMs() }
    }
    await b.until(b.guard.internals.tick())
    expect(pages).toEqual(Array.from({ length: 10 }, (_, i) => [200, i === 0 ? undefined : `${i}`]))
    await b.until(b.guard.internals.tick())
    expect(pages).toHaveLength(20)
    expect(pages[10]).toEqual([200, '10'])
    b.trouble.answer = (verb) => (verb === 'due' ? { records: [], next: undefined, now: b.time.storeMs() } : undefined)
    await b.until(b.guard.internals.tick())
  })

  it('runs every second by itself, and tells what fails but no absence', async () => {
    const b = bench()
    await b.guard.open()
    let sweeps = 0
    b.trouble.request = (verb) => {
      if (verb === 'due') sweeps += 1
    }
    await b.time.advance(5_000)
    expect(sweeps).toBe(5)
    b.trouble.request = (verb) => {
      if (verb === 'due') throw unavailable()
    }
    await b.time.advance(2_000)
    expect(alarms(b)).toEqual([])
    b.trouble.request = () => undefined
    b.trouble.answer = (verb) => (verb === 'due' ? { records: undefined } : undefined)
    await b.time.advance(1_000)
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([
      expect.objectContaining({
        key: '',
        tenant: '',
        tool: '',
        message: expect.stringContaining('housekeeping failed'),
      }),
    ])
    b.trouble.answer = () => undefined
    expect(b.time.timers().every(({ background }) => background)).toBe(true)
  })

  it('drains the spool before it looks for lapsed leases', async () => {
    const b = bench()
    const { key, call } = await hold(b)
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    b.downstream.release('a')
    await b.until(call)
    expect(b.spool.entries).toHaveLength(1)
    const other = bench({ beside: b, self: 'host/boot/3/1' })
    other.spool.entries.push(...b.spool.entries, { ...b.spool.entries[0]!, key: 'of1_unknown' })
    b.time.stepStore(60_000)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(other.spool.entries.map((entry) => entry.key)).toEqual(['of1_unknown'])
    expect((await b.inner.history(key, 'default')).at(-1)).toMatchObject({
      transition: 'T5',
      why: 'spool of host/boot/1/1',
      who: 'host/boot/3/1',
    })
  })
})
