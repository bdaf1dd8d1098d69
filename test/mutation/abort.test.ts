import { describe, expect, it } from 'vitest'
import { bench, coded, facts, refusalOf, settle } from './bench.ts'

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
