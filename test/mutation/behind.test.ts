import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle } from './bench.ts'

describe('a call that waits behind another one of its key', () => {
  /** A first call that goes on for as long as the test wants. */
  const busy = async (where: 'before its marker' | 'after it') => {
    const b = bench()
    let go = (): void => {}
    const prepare = () => new Promise<void>((resolve) => (go = resolve))
    const tool = b.tool({ timeout: '10m', ...(where === 'after it' ? {} : { prepare }) })
    if (where === 'after it') b.downstream.plan('a', 'hold')
    const first = tool.perform({ ref: 'a' })
    await settle()
    const end = () => {
      go()
      b.downstream.release('a')
      return b.until(first)
    }
    return { b, tool, end }
  }
  const others = [
    ['another round', 'after it', { ref: 'a' }, { round: 'x' }],
    ['other values', 'before its marker', { ref: 'a', amount: 9 }, {}],
  ] as const

  it.each(others)('%s: leaves when it is aborted, and nobody else with it', async (_name, where, input, options) => {
    const { b, tool, end } = await busy(where)
    const stop = new AbortController()
    const call = refusalOf(tool.perform(input, { ...options, signal: stop.signal }))
    await b.time.advance(1_000)
    stop.abort()
    expect(facts(await b.until(call))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
    expect(await end()).toMatchObject({ status: 'committed', replayed: false })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it.each(others)('%s: waits no longer than its budget', async (_name, where, input, options) => {
    const { b, tool, end } = await busy(where)
    const call = refusalOf(tool.perform(input, { ...options, waitMs: 5_000 }))
    let told: unknown
    void call.then((error) => (told = error))
    await b.time.advance(4_999)
    expect(told).toBeUndefined()
    await b.time.advance(1)
    expect(facts(await b.until(call))).toMatchObject({ code: 'IN_PROGRESS', retryAfterMs: 1_000 })
    expect(b.events).toContainEqual(expect.objectContaining({ name: 'duplicate', answer: 'refused' }))
    await end()
    expect(b.downstream.effects('a')).toBe(1)
  })

  it.each(others)('%s: is judged by what came of it', async (_name, where, input, options) => {
    const { b, tool, end } = await busy(where)
    const call = tool.perform(input, options).then(
      ({ status, replayed }) => ({ status, replayed }),
      (error: unknown) => facts(error)['code'],
    )
    await end()
    expect(await b.until(call)).toEqual('amount' in input ? 'KEY_REUSED' : { status: 'committed', replayed: true })
  })
})
