import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, unavailable, type OrderInput } from './bench.ts'

describe('callers of one operation in one process', () => {
  it('share one execution, and each gets its own copy', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const calls = [tool.perform({ ref: 'a' }), tool.perform({ ref: 'a' }), tool.perform({ ref: 'a' })]
    await settle()
    b.downstream.release('a')
    const [first, second, third] = await b.until(Promise.all(calls))
    expect(first).toMatchObject({ replayed: false, joined: false, notice: undefined })
    for (const joined of [second, third])
      expect(joined).toMatchObject({ replayed: true, joined: true, value: { id: 1 }, attempts: 1 })
    expect(second?.value).not.toBe(third?.value)
    expect(b.downstream.effects('a')).toBe(1)
    expect(b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual([
      'joined',
      'joined',
    ])
    const later = await b.until(tool.perform({ ref: 'a' }))
    expect(later).toMatchObject({
      replayed: true,
      joined: false,
      notice: expect.stringContaining('occurrence 2') as string,
    })
    expect(b.events.filter(({ name }) => name === 'duplicate').at(-1)).toEqual({
      name: 'duplicate',
      key: first?.key,
      tenant: 'default',
      tool: 'place_order',
      run: undefined,
      answer: 'replayed',
    })
  })

  it('share a failure too', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const errors = await b.until(Promise.all([refusalOf(tool({ ref: 'a' })), refusalOf(tool({ ref: 'a' }))]))
    expect(errors.map(({ code }) => code)).toEqual(['IN_DOUBT', 'IN_DOUBT'])
    expect(b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual(['in-doubt'])
    b.downstream.plan('b', 'refuse')
    const refused = await b.until(Promise.all([refusalOf(tool({ ref: 'b' })), refusalOf(tool({ ref: 'b' }))]))
    expect(refused.map(({ code }) => code)).toEqual(['REJECTED', 'REJECTED'])
    expect(b.downstream.log).toEqual(['a:lose-answer', 'b:refuse'])
  })

  it('with other values: KEY_REUSED from the marker on, its own attempt before it', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a', amount: 1 })
    await settle()
    const error = await refusalOf(b.until(tool({ ref: 'a', amount: 2 })))
    expect(facts(error)).toMatchObject({ code: 'KEY_REUSED', details: { fields: ['amount'] } })
    b.downstream.release('a')
    await b.until(first)
    // Now against the record.
    expect(await refusalOf(b.until(tool({ ref: 'a', amount: 2 })))).toMatchObject({
      code: 'KEY_REUSED',
      effect: 'done',
    })
    const repeats = b.events.filter(({ name }) => name === 'duplicate')
    expect(repeats.map(({ answer }) => answer)).toEqual(['refused', 'refused'])

    const c = bench()
    const failing = c.tool({
      prepare: (input: OrderInput) => {
        if (input.amount === 1) throw new Error('not this one')
      },
    })
    const both = [refusalOf(failing({ ref: 'a', amount: 1 })), failing({ ref: 'a', amount: 2 })]
    const [refused, placed] = await c.until(Promise.all(both))
    expect(refused).toMatchObject({ code: 'REJECTED' })
    expect(placed).toEqual({ id: 1, ref: 'a' })
  })

  it('with other values while the first still prepares: waits for its marker', async () => {
    const b = bench()
    let go = (): void => {}
    const tool = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const first = tool({ ref: 'a', amount: 1 })
    const second = refusalOf(tool({ ref: 'a', amount: 2 }))
    let told = false
    void second.then(() => (told = true))
    await settle()
    expect(told).toBe(false)
    b.downstream.plan('a', 'hold')
    go()
    // From the marker on, not only when the first has ended.
    expect(await b.until(second)).toMatchObject({ code: 'KEY_REUSED' })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('executing')
    b.downstream.release('a')
    expect(await b.until(first)).toEqual({ id: 1, ref: 'a' })
  })
})

describe('callers in two processes', () => {
  const two = () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    return { b, other, tool: b.tool(), same: other.tool() }
  }

  it('the second waits and replays', async () => {
    const { b, other, tool, same } = two()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    const second = same.perform({ ref: 'a' })
    await b.time.advance(5_000)
    b.downstream.release('a')
    await b.until(first)
    expect(await b.until(second)).toMatchObject({
      status: 'committed',
      replayed: true,
      joined: false,
      value: { id: 1 },
    })
    expect(other.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual(['replayed'])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('past its budget it is told IN_PROGRESS, and the original goes on', async () => {
    const { b, other, tool, same } = two()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    const began = b.time.bootMs()
    const error = await refusalOf(b.until(same({ ref: 'a' })))
    expect(b.time.bootMs() - began).toBe(30_000)
    expect(facts(error)).toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'unknown',
      retryable: true,
      retryAfterMs: 1_000,
      details: { state: 'executing' },
    })
    expect(await refusalOf(b.until(same({ ref: 'a' }, { waitMs: 500 })))).toMatchObject({ code: 'IN_PROGRESS' })
    expect(other.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual([
      'refused',
      'refused',
    ])
    b.downstream.release('a')
    expect(await b.until(first)).toEqual({ id: 1, ref: 'a' })
  })

  it('its own execution is never cut short by the wait budget', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' }, { waitMs: 10 })
    await b.time.advance(45_000)
    b.downstream.release('a')
    expect(await b.until(first)).toEqual({ id: 1, ref: 'a' })
  })

  it('who joins here counts from its own call on', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await b.time.advance(10_000)
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 1_000 })))
    expect(error.code).toBe('IN_PROGRESS')
    expect(b.time.timers().filter(({ background }) => !background)).toHaveLength(1)
    b.downstream.release('a')
    await b.until(first)
  })

  it('with onDoubt: wait it has no budget', async () => {
    const { b, tool, same } = two()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    const second = same({ ref: 'a' }, { onDoubt: 'wait' })
    await b.time.advance(55_000)
    b.downstream.release('a')
    await b.until(first)
    expect(await b.until(second)).toEqual({ id: 1, ref: 'a' })
  })

  it('a doubt that is met while waiting is told as one', async () => {
    const { b, tool, same } = two()
    b.downstream.plan('a', 'hold')
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    const second = same.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 90_000 })
    // Past the attempt's deadline.
    await b.time.advance(61_000)
    expect(await b.until(second)).toMatchObject({ status: 'in-doubt', replayed: true, error: { code: 'IN_DOUBT' } })
  })

  it('the store’s trouble while waiting is not told as "no effect"', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    b.trouble.request = (verb) => {
      if (verb === 'read') throw unavailable()
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 100 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown', details: { state: undefined } })
    b.trouble.request = () => undefined
    b.downstream.release('a')
    await b.until(first)
  })
})
