import { describe, expect, it } from 'vitest'
import { bench, refusalOf, unavailable, type Bench } from './bench.ts'
import { pair } from './corners.ts'

describe('an accepted operation', () => {
  const accepting = (answers: unknown[], settings = {}) => {
    const b = bench({ settings })
    const seen: unknown[] = []
    const tool = b.tool({
      timeout: '5s',
      verify: async (
        outcome: unknown,
        context: { key: string; attempt: number; signal: AbortSignal; downstreamKey(): string },
      ) => {
        seen.push([outcome, context.key, context.attempt, context.downstreamKey()])
        const answer = answers.shift()
        if (answer === 'hang')
          return await new Promise((_, reject) =>
            context.signal.addEventListener('abort', () => reject(new Error('x'))),
          )
        if (answer instanceof Error) throw answer
        return answer
      },
    })
    return { b, tool, seen }
  }

  it('is told as accepted, and committed once it is verified', async () => {
    const { b, tool, seen } = accepting([undefined, new Error('x'), 'maybe', 'hang', true])
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'accepted', value: { id: 1 }, recorded: true, replayed: false })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'accepted', replayed: true })
    for (const moment of [1_000, 5_000, 5_000, 5_000]) {
      await b.time.advance(moment)
      expect(b.recordOf(outcome.key)?.state).toBe('accepted')
    }
    await b.time.advance(12_000)
    expect(b.recordOf(outcome.key)).toMatchObject({ state: 'committed', outcome: { text: '{"id":1,"ref":"a"}' } })
    expect(seen).toEqual(
      Array.from({ length: 5 }, () => [{ id: 1, ref: 'a' }, outcome.key, 1, b.downstream.keys('a')[0]]),
    )
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('asks again after four sweeps, not sooner', async () => {
    const { b, tool, seen } = accepting([undefined, undefined, undefined])
    await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(seen).toHaveLength(1)
    await b.time.advance(3_999)
    expect(seen).toHaveLength(1)
    await b.time.advance(1)
    expect(seen).toHaveLength(2)
  })

  it('that did not happen after all is a doubt for a person', async () => {
    const { b, tool } = accepting([false])
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
    expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
  })

  it('whose result is gone cannot be verified', async () => {
    const { b, tool, seen } = accepting([true], { inlineResultBytes: 3 })
    b.trouble.request = (verb) => {
      if (verb === 'putBlob') throw unavailable()
    }
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
    expect(seen).toEqual([])
    expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    expect((await b.inner.history(key, 'default')).at(-1)?.why).toBe('the result could not be stored')
  })

  it('whose verification takes longer than the pause between two is confirmed, however many engines ask', async () => {
    const [a, b] = await pair()
    const asked: Bench[] = []
    const verify = (on: Bench) => () =>
      new Promise((resolve) => {
        asked.push(on)
        on.time.after(6_000, () => resolve(asked.length > 1), true)
      })
    const tool = a.tool({ timeout: '10s', verify: verify(a) })
    b.tool({ timeout: '10s', verify: verify(b) })
    const { key } = await a.until(tool.perform({ ref: 'a' }))
    // The first that asks dies with its question on the way.
    for (let second = 0; second < 3; second += 1) await a.time.advance(1_000)
    expect(asked).toHaveLength(1)
    const [first] = asked as [Bench]
    first.trouble.request = () => {
      throw unavailable()
    }
    for (let second = 0; second < 30; second += 1) await a.time.advance(1_000)
    expect(asked).toEqual([first, first === a ? b : a])
    expect(a.recordOf(key)?.state).toBe('committed')
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('of two engines that ask for long at once, one answer counts', async () => {
    const [a, b] = await pair()
    let asked = 0
    const verify = (on: Bench) => () =>
      new Promise((resolve) => {
        asked += 1
        on.time.after(6_000, () => resolve(true), true)
      })
    const tool = a.tool({ verify: verify(a) })
    b.tool({ verify: verify(b) })
    const { key } = await a.until(tool.perform({ ref: 'a' }))
    for (let second = 0; second < 60; second += 1) await a.time.advance(1_000)
    expect([asked, a.recordOf(key)?.state]).toEqual([1, 'committed'])
  })

  it('keeps its answer where a person says that it happened, unless they give another', async () => {
    for (const [value, kept] of [
      [{}, { id: 1, ref: 'a' }],
      [{ value: 'seen' }, 'seen'],
    ] as const) {
      const { b, tool } = accepting([false])
      const { key } = await b.until(tool.perform({ ref: 'a' }))
      await b.time.advance(1_000)
      await b.until(b.guard.ledger.resolve(key, { verdict: 'committed', who: 'me', note: 'seen', ...value }))
      expect(await b.until(tool({ ref: 'a' }))).toEqual(kept)
    }
  })

  it('that no engine can ask about any more is a doubt after its retention', async () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/2' })
    const tool = b.tool({ verify: () => undefined })
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    b.trouble.request = () => {
      throw unavailable()
    }
    await other.until(other.guard.open())
    b.time.pause(86_400_000 - 10_000)
    await other.until(other.guard.internals.tick())
    expect(other.recordOf(key)?.state).toBe('accepted')
    b.time.pause(10_000)
    await other.until(other.guard.internals.tick())
    await other.time.advance(1)
    expect(other.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
    expect(other.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
  })
})
