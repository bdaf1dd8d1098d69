import { describe, expect, it } from 'vitest'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, facts, refusalOf, settle, unavailable, type Verb } from './bench.ts'

const REMOTE = { guarantees: { localReads: false } } as const

describe('a store at a distance', () => {
  it('is claimed without a look, and read only to replay', async () => {
    const b = bench(REMOTE)
    const tool = b.tool()
    await b.guard.open()
    const verbs: Verb[] = []
    b.trouble.request = (verb) => {
      verbs.push(verb)
    }
    const first = await b.until(tool.perform({ ref: 'a' }))
    expect(verbs).toEqual(['write', 'write'])
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true, value: first.value, attempts: 1 })
    expect(b.downstream.effects('a')).toBe(1)
    expect(await refusalOf(b.until(tool({ ref: 'a', amount: 3 })))).toMatchObject({ code: 'KEY_REUSED' })
  })

  it('is read first under a mark', async () => {
    const b = bench(REMOTE)
    await b.inner.open()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    const tool = b.tool()
    await b.guard.open()
    const verbs: Verb[] = []
    b.trouble.request = (verb) => {
      verbs.push(verb)
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    expect(verbs[0]).toBe('read')
  })

  it('two processes meet in it: one effect, both answered', async () => {
    const b = bench(REMOTE)
    const other = bench({ beside: b, self: 'host/boot/2/1', ...REMOTE })
    b.downstream.plan('a', 'hold')
    const calls = [b.tool()({ ref: 'a' }), other.tool()({ ref: 'a' })]
    await b.time.advance(3_000)
    b.downstream.release('a')
    expect(await b.until(Promise.all(calls))).toEqual([
      { id: 1, ref: 'a' },
      { id: 1, ref: 'a' },
    ])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('is polled with growing pauses where it gives no hint', async () => {
    for (const [guarantees, pauses] of [
      [{}, [2, 4, 8, 16, 32, 64, 128, 250, 250]],
      [{ localReads: false }, [20, 40, 80, 160, 250, 250]],
    ] as const) {
      const b = bench({ guarantees })
      const other = bench({ beside: b, guarantees, self: 'host/boot/2/1' })
      const tool = b.tool()
      b.downstream.plan('a', 'hold')
      const first = tool({ ref: 'a' })
      await settle()
      await other.guard.open()
      const times: number[] = []
      const second = other.tool()({ ref: 'a' })
      await settle()
      let last = b.time.bootMs()
      other.trouble.request = (verb, [key]) => {
        if (verb !== 'read' || key !== b.record(tool, { ref: 'a' })?.key) return
        times.push(b.time.bootMs() - last)
        last = b.time.bootMs()
      }
      await b.time.advance(pauses.reduce((sum, pause) => sum + pause, 0))
      expect(times).toEqual(pauses)
      b.downstream.release('a')
      await b.until(Promise.all([first, second]))
    }
  })

  it('what it says beside an absence is told as it is', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    b.trouble.request = (verb) => {
      if (verb === 'read') throw new OnefoldError('STORE_UNSAFE', 'another file')
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 10 })))).toMatchObject({ code: 'STORE_UNSAFE' })
    b.trouble.request = () => undefined
    b.downstream.release('a')
    await b.until(first)
  })
})

describe('a store on this machine', () => {
  it('is looked at before a claim until that was in vain for long, and again from the next duplicate on', async () => {
    const b = bench()
    const tool = b.tool()
    await b.guard.open()
    const reads = async (ref: string): Promise<number> => {
      let count = 0
      b.trouble.request = (verb) => {
        if (verb === 'read') count += 1
      }
      await b.until(tool({ ref }))
      return count
    }
    for (let n = 0; n < 64; n += 1) expect(await reads(`r${n}`)).toBe(1)
    expect(await reads('a')).toBe(0)
    expect(await reads('a')).toBeLessThanOrEqual(1)
    expect(await reads('b')).toBe(1)
    // One look is enough for a replay.
    expect(await reads('b')).toBe(1)
    expect(b.downstream.effects('b')).toBe(1)
  })
})

describe('what a run has touched', () => {
  it('is in its receipt, also what left no record', async () => {
    const b = bench()
    const tool = b.tool({ amount: 'amount' })
    await b.guard.open()
    const receipt = await b.guard.run({ id: 'r' }, async (run) => {
      b.trouble.request = (verb) => {
        if (verb === 'write') throw unavailable()
      }
      await refusalOf(b.until(tool({ ref: 'a', amount: 5 })))
      b.trouble.request = () => undefined
      await b.until(tool({ ref: 'b', amount: 6 }))
      await b.until(tool({ ref: 'b', amount: 6 }))
      return await run.receipt()
    })
    const key = b.guard.internals.name(tool.contract, { ref: 'a', amount: 5 }).key
    expect(receipt.cancelled).toEqual([
      { tool: 'place_order', key, ticket: key.slice(4, 16), amount: 5, state: 'absent' },
    ])
    expect(receipt.committed).toHaveLength(1)
  })
})

describe('a doubt that is settled while somebody waits', () => {
  it('tells a late caller of a recovery under way', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'probe', settleMs: 0, probe: () => new Promise(() => undefined) } })
    b.downstream.plan('a', 'lose-answer')
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 500 })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('recovering')
    const repeats = () => b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)
    // It was the first call.
    expect(repeats()).toEqual([])
    expect(await b.until(tool.perform({ ref: 'a' }, { waitMs: 10, onDoubt: 'return' }))).toMatchObject({
      status: 'in-doubt',
      record: { state: 'recovering' },
    })
    expect(repeats()).toEqual(['in-doubt'])
  })

  it('nothing runs again for a caller who has gone', async () => {
    const b = bench()
    const tool = b.tool({
      recovery: { class: 'probe', settleMs: 0, probe: () => ({ found: false }) },
    })
    b.downstream.plan('a', 'lose-request')
    expect(await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 1_000 })))).toMatchObject({ code: 'IN_DOUBT' })
    await b.time.advance(120_000)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
    expect(b.downstream.effects('a')).toBe(0)
  })
})
