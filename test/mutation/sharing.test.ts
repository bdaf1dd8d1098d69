import { describe, expect, it } from 'vitest'
import { currentRun } from '../../src/engine/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type OrderInput } from './bench.ts'

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
    expect(b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual(['refused'])

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

describe('abort by phase', () => {
  it('before the call: nothing', async () => {
    const b = bench()
    const error = await refusalOf(b.until(b.tool()({ ref: 'a' }, { signal: AbortSignal.abort() })))
    expect(facts(error)).toMatchObject({ code: 'CANCELLED', effect: 'none', details: {} })
    expect(b.points).toEqual([])
  })

  it('before the marker: released, nothing was sent', async () => {
    for (const point of ['before-claim', 'claimed', 'prepared'] as const) {
      const b = bench()
      const controller = new AbortController()
      const tool = b.tool({ prepare: () => undefined })
      let go = (): void => {}
      b.fault = (passed) => (passed === point ? new Promise<void>((resolve) => (go = resolve)) : undefined)
      const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
      await settle()
      controller.abort()
      await settle()
      go()
      const error = await b.until(call)
      if (point === 'prepared') continue
      expect(facts(error)).toMatchObject({ code: 'CANCELLED', effect: 'none' })
      expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
      expect(b.downstream.log).toEqual([])
    }
  })

  it('during prepare, whether it heeds the signal or fails', async () => {
    for (const fails of [true, false]) {
      const b = bench()
      const controller = new AbortController()
      let go = (): void => {}
      const tool = b.tool({
        prepare: async () => {
          await new Promise<void>((resolve) => (go = resolve))
          if (fails) throw new Error('gone')
        },
      })
      const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
      await settle()
      controller.abort()
      await settle()
      go()
      expect(facts(await b.until(call))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
      expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
    }
  })

  it('after the marker: the caller leaves, the work goes on', async () => {
    const b = bench()
    const controller = new AbortController()
    const tool = b.tool({ compensate: () => undefined })
    b.downstream.plan('a', 'hold')
    const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    controller.abort()
    const error = await b.until(call)
    const { key } = b.record(tool, { ref: 'a' })!
    expect(facts(error)).toMatchObject({
      code: 'CANCELLED',
      effect: 'unknown',
      ticket: key.slice(4, 16),
      details: { running: true },
    })
    expect(b.events.filter(({ name }) => name === 'aborted-after-commit')).toEqual([])
    b.downstream.release('a')
    await settle()
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(b.events.filter(({ name }) => name === 'aborted-after-commit')).toEqual([
      { name: 'aborted-after-commit', key, tenant: 'default', tool: 'place_order', run: undefined, compensable: true },
    ])
  })

  it('one of two callers: the other goes on, also before the marker', async () => {
    const b = bench()
    const controller = new AbortController()
    let go = (): void => {}
    const tool = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const first = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    const second = tool({ ref: 'a' })
    await settle()
    controller.abort()
    expect(facts(await b.until(first))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
    go()
    expect(await b.until(second)).toEqual({ id: 1, ref: 'a' })
  })

  it('while another process has it: left, with the work going on', async () => {
    const b = bench()
    const other = bench({ beside: b })
    const tool = b.tool()
    const same = other.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    const controller = new AbortController()
    const second = refusalOf(same({ ref: 'a' }, { signal: controller.signal }))
    await b.time.advance(100)
    controller.abort()
    expect(facts(await b.until(second))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
    b.downstream.release('a')
    await b.until(first)
  })

  it('while another process marks in the same moment: not told that nothing happened', async () => {
    const b = bench()
    const other = bench({ beside: b })
    let go = (): void => {}
    const there = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const same = other.tool()
    b.downstream.plan('a', 'hold')
    const first = there({ ref: 'a' })
    await settle()
    const controller = new AbortController()
    const second = refusalOf(same({ ref: 'a' }, { signal: controller.signal }))
    await b.time.advance(10)
    expect(b.record(there, { ref: 'a' })?.state).toBe('claimed')
    go()
    controller.abort()
    expect(facts(await b.until(second))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
    expect(b.record(there, { ref: 'a' })?.state).toBe('executing')
    b.downstream.release('a')
    await b.until(first)
  })

  it('a refused execution tells no listener of a commit', async () => {
    const b = bench()
    const controller = new AbortController()
    const tool = b.tool({
      execute: async () => {
        await new Promise<void>((resolve) => b.time.after(50, resolve))
        throw coded('DECLINED')
      },
    })
    const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    controller.abort()
    await b.until(call)
    await b.time.advance(100)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('rejected')
    expect(b.events.filter(({ name }) => name === 'aborted-after-commit')).toEqual([])
  })
})

describe('reads and nesting', () => {
  const read = { effect: 'read', identity: undefined, ignore: undefined, errors: undefined, recovery: undefined }

  it('a read passes through, unrecorded, as often as it is called', async () => {
    const b = bench()
    let calls = 0
    const tool = b.tool({
      ...read,
      name: 'look',
      execute: (input: OrderInput, context: { attempt: number; key: string; checkpoint(): void }) => {
        context.checkpoint()
        calls += 1
        return { ...input, attempt: context.attempt }
      },
    })
    expect(await b.until(tool.perform({ ref: 'a' }))).toEqual({
      status: 'committed',
      value: { ref: 'a', attempt: 1 },
      error: undefined,
      replayed: false,
      joined: false,
      key: '',
      ticket: '',
      attempts: 1,
      recorded: false,
      notice: undefined,
      missing: undefined,
      record: undefined,
    })
    await b.until(tool({ ref: 'a' }))
    expect(calls).toBe(2)
    expect((await b.guard.ledger.list()).records).toEqual([])
  })

  it('a read hears its caller’s abort', async () => {
    const b = bench()
    const controller = new AbortController()
    let signal: AbortSignal | undefined
    const tool = b.tool({
      ...read,
      name: 'look',
      execute: (_input: unknown, context: { signal: AbortSignal }) => {
        signal = context.signal
        return 1
      },
    })
    await b.until(tool({ ref: 'a' }, { signal: controller.signal }))
    expect(signal?.aborted).toBe(false)
    controller.abort('why')
    expect(signal?.reason).toBe('why')
  })

  it('an operation inside itself is refused, at any depth', async () => {
    const b = bench()
    const errors: unknown[] = []
    const outer = b.tool({
      name: 'outer',
      execute: async (input: OrderInput) => {
        errors.push(await refusalOf(outer(input)))
        return await inner(input)
      },
    })
    const inner = b.tool({
      name: 'inner',
      execute: async (input: OrderInput) => {
        errors.push(await refusalOf(outer(input)))
        return 'inner'
      },
    })
    expect(await b.until(outer({ ref: 'a' }) as Promise<unknown>)).toBe('inner')
    const { key } = b.record(outer, { ref: 'a' })!
    for (const error of errors) expect(facts(error)).toMatchObject({ code: 'RECURSIVE_OPERATION', effect: 'none', key })
    expect(errors).toHaveLength(2)
    expect(b.record(inner, { ref: 'a' })?.parent).toEqual({
      key: b.record(outer, { ref: 'a' })!.key,
      fence: b.record(outer, { ref: 'a' })!.fence,
      ordinal: 1,
    })
  })

  it('children of the same parent are counted', async () => {
    const b = bench()
    const child = b.tool({ name: 'child', scope: 'parent' })
    const parent = b.tool({
      name: 'parent',
      execute: async (input: OrderInput) => [await child(input), await child(input)],
    })
    await b.until(parent({ ref: 'a' }))
    expect(b.downstream.effects('a')).toBe(2)
    const keys = (await b.guard.ledger.list({ tool: 'child' })).records.map(({ parent: it }) => it?.ordinal)
    // The first is recorded before its ordinal is counted on.
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(2)
  })

  it('the run is there inside the tool, also when it is bound explicitly', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      execute: (_input: OrderInput, context: { run: unknown }) => {
        seen.push([currentRun()?.id, context.run])
        return 1
      },
    })
    const handle = await b.guard.run({ id: 'r', session: 's' }, (run) => run)
    await b.until(tool({ ref: 'a' }, { run: handle }))
    expect(seen).toEqual([['r', { id: 'r', tenant: 'default', session: 's' }]])
  })
})
