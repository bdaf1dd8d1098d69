import { describe, expect, it } from 'vitest'
import { bench, refusalOf, unavailable } from './bench.ts'

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
})
