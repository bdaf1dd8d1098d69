import { describe, expect, it } from 'vitest'
import { bench, settle, unavailable } from './bench.ts'
import { hold } from './corners.ts'

describe('the heartbeat', () => {
  it('renews the lease every ten seconds while the work runs, and stops with it', async () => {
    const b = bench()
    const { call, key } = await hold(b)
    const start = b.time.storeMs()
    await b.time.advance(9_900)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 30_000)
    await b.time.advance(200)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 40_000)
    await b.time.advance(9_800)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 40_000)
    await b.time.advance(200)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 50_000)
    await b.time.advance(100_000)
    expect(b.recordOf(key)?.state).toBe('executing')
    b.downstream.release('a')
    expect(await b.until(call)).toMatchObject({ status: 'committed', recorded: true })
    const beats = async () => (await b.history(key)).filter((step) => step.startsWith('heartbeat')).length
    expect(await beats()).toBe(12)
    await b.time.advance(60_000)
    expect(await beats()).toBe(12)
  })

  it('may send longer with each: the lease counts from before the beat', async () => {
    const b = bench()
    const sent: boolean[] = []
    const tool = b.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        for (let i = 0; i < 6; i += 1) {
          await new Promise<void>((resolve) => b.time.after(12_000, resolve))
          try {
            context.checkpoint()
            sent.push(true)
          } catch {
            sent.push(false)
          }
        }
        return 1
      },
    })
    await b.until(tool({ ref: 'a' }) as Promise<unknown>)
    expect(sent).toEqual([true, true, true, true, true, true])
    const away = bench()
    sent.length = 0
    const other = away.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        away.trouble.request = (verb) => {
          if (verb === 'write') throw unavailable()
        }
        for (const wait of [29_999, 1]) {
          await new Promise<void>((resolve) => away.time.after(wait, resolve))
          try {
            context.checkpoint()
            sent.push(true)
          } catch {
            sent.push(false)
          }
        }
        away.trouble.request = () => undefined
        return 1
      },
    })
    await away.until(other({ ref: 'a' }).catch(() => undefined) as Promise<unknown>)
    expect(sent).toEqual([true, false])
  })

  it('that finds the record taken stops the next byte', async () => {
    const b = bench()
    let check = (): void => {}
    const tool = b.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        check = () => context.checkpoint()
        await new Promise<void>((resolve) => b.time.after(60_000, resolve))
        return 1
      },
    })
    const call = tool.perform({ ref: 'a' })
    await settle()
    const { key } = b.record(tool, { ref: 'a' })!
    check()
    b.time.stepStore(31_000)
    await b.until(bench({ beside: b }).guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    check()
    await b.time.advance(10_000)
    expect(() => check()).toThrow(expect.objectContaining({ code: 'CANCELLED' }) as Error)
    expect(await b.until(call)).toMatchObject({ status: 'committed' })
  })

  it('does not pile up on a slow store', async () => {
    const b = bench({ settings: { storeDeadlineMs: 25_000 } })
    const { call } = await hold(b)
    let beats = 0
    b.trouble.request = (verb) => {
      if (verb !== 'write') return undefined
      beats += 1
      return new Promise((resolve) => b.time.after(20_000, () => resolve(undefined)))
    }
    await b.time.advance(29_000)
    expect(beats).toBe(1)
    await b.time.advance(2_000)
    expect(beats).toBe(2)
    b.trouble.request = () => undefined
    b.downstream.release('a')
    await b.until(call)
  })
})
