import { describe, expect, it } from 'vitest'
import { anything, bench, facts, refusalOf } from './bench.ts'

describe('repeats', () => {
  const answers = (b: ReturnType<typeof bench>) =>
    b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)

  it('of an operation that waits for a person are counted, each; the call that brought it about is none', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'manual' } })
    b.downstream.plan('a', 'lose-answer')
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    expect(answers(b)).toEqual([])
    for (let repeat = 0; repeat < 13; repeat += 1)
      expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    expect(answers(b)).toEqual(Array.from({ length: 13 }, () => 'in-doubt'))
    await b.time.advance(2_000)
    const { key } = b.record(tool, { ref: 'a' }) ?? { key: '' }
    const { history } = await b.guard.ledger.show(key)
    expect(history.filter(({ transition }) => transition === 'duplicate').map(({ why }) => why)).toEqual([
      'in-doubt × 13',
    ])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('are not the call itself that waits while its own attempt is recovered', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'keyed', windowMs: 86_400_000, settleMs: 0 } })
    b.downstream.plan('a', 'lose-answer')
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    expect(answers(b)).toEqual([])
  })
})

describe('counted calls', () => {
  it('have their place in the run; an undelivered one is repeated by the next', async () => {
    const b = bench()
    const tool = b.tool({ identity: 'sequence', input: anything })
    await b.guard.run({ id: 'r' }, async () => {
      await b.until(tool({ ref: 'a' }))
      b.downstream.plan('a', 'lose-answer')
      expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
      // Its retry is the same operation, and stays in doubt.
      expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
      expect(await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return' }))).toMatchObject({ status: 'in-doubt' })
      expect(await refusalOf(b.until(tool({ ref: 'b' })))).toMatchObject({ code: 'DIVERGED' })
    })
    expect(b.downstream.effects('a')).toBe(2)
    await b.guard.run({ id: 'r' }, async () => {
      expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    })
  })

  it('refused before anything began leave their place to the next, so that a retried run finds it again', async () => {
    const b = bench()
    const tool = b.tool({ identity: 'sequence', input: anything })
    await b.guard.run({ id: 'r' }, async () => {
      const refused = await refusalOf(b.until(tool({ ref: 'a', note: new Date(0) as never })))
      expect(facts(refused)).toMatchObject({ code: 'INPUT_INVALID', effect: 'none' })
      expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    })
    await b.guard.run({ id: 'r' }, async () => {
      expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    })
    expect(b.downstream.effects('a')).toBe(1)
  })
})
