import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { keyed, manual } from '../../src/contract/index.ts'
import { Question, UnsentError, type Guard, type Outcome, type Store } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { orderTool, place, type OrderInput } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

/** What a service with rounds does at each: asks as often as `questions` says, then acts. */
interface Rounds {
  readonly sent: string[]
  questions: number
  /** Thrown instead of an answer at the round of this number. */
  fails?: { readonly at: number; readonly error: Error }
}

describe.each(STORES)('rounds of questions on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let store: Store
  let guard: Guard
  let path: string
  beforeEach(() => {
    path = `${folder.path}/${Math.random()}`
    store = makeStore(path)
    guard = testGuard({ store })
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  const ref = (what: string): string => `${name}-${what}`
  const asking = (on: Guard, rounds: Rounds, recovery: 'manual' | 'keyed' = 'manual') =>
    orderTool(on, downstream, {
      recovery: recovery === 'manual' ? manual() : keyed('24h'),
      execute: async (input: OrderInput, context) => {
        rounds.sent.push(context.downstreamKey())
        if (rounds.fails?.at === rounds.sent.length) throw rounds.fails.error
        if (rounds.sent.length <= rounds.questions) return new Question({ ask: rounds.sent.length }) as never
        return await place(downstream, input, context.fetch)
      },
    })
  const told = ({ status, value, replayed }: Outcome): unknown => ({ status, value, replayed })

  it('control: a layer that stores the question as the result asks for ever', async () => {
    const stored = new Map<string, unknown>()
    const naive = async (input: OrderInput, round?: string): Promise<unknown> => {
      const known = stored.get(input.ref)
      if (known !== undefined) return known
      const value = round === undefined ? { ask: 1 } : await place(downstream, input)
      stored.set(input.ref, value)
      return value
    }
    await naive({ ref: ref('naive') })
    expect(await naive({ ref: ref('naive') }, 'answered')).toEqual({ ask: 1 })
    expect(await downstream.effects(ref('naive'))).toBe(0)
  })

  it('one operation, one downstream key, one effect; every repeat afterwards replays the end', async () => {
    const rounds: Rounds = { sent: [], questions: 2 }
    const tool = asking(guard, rounds)
    const input = { ref: ref('two-rounds') }
    expect(told(await tool.perform(input))).toEqual({ status: 'awaiting-input', value: { ask: 1 }, replayed: false })
    const second = await tool.perform(input, { round: 'a' })
    expect(told(second)).toEqual({ status: 'awaiting-input', value: { ask: 2 }, replayed: false })
    expect(second.record).toMatchObject({ state: 'awaiting-input', round: 2, attempts: 1, openSends: 1 })
    const last = await tool.perform(input, { round: 'b' })
    expect(last).toMatchObject({ status: 'committed', replayed: false, attempts: 1 })
    for (const round of [undefined, 'a', 'b', 'c'])
      expect(await tool.perform(input, { round })).toMatchObject({
        status: 'committed',
        replayed: true,
        value: last.value,
      })
    expect(rounds.sent).toHaveLength(3)
    expect(new Set(rounds.sent).size).toBe(1)
    expect(await downstream.effects(input.ref)).toBe(1)
    const story = await guard.ledger.show(last.key)
    expect(story?.history.map(({ transition, to }) => `${transition} ${to}`)).toEqual(
      expect.arrayContaining(['T19 awaiting-input', 'T19 executing', 'T5 committed']),
    )
    expect(JSON.stringify(story)).not.toContain('"ask"')
  })

  it('a round whose question was lost on the way to its caller is told it again, and is not sent again', async () => {
    const rounds: Rounds = { sent: [], questions: 1 }
    const tool = asking(guard, rounds)
    const input = { ref: ref('lost-question') }
    await tool.perform(input)
    expect(told(await tool.perform(input))).toEqual({ status: 'awaiting-input', value: { ask: 1 }, replayed: true })
    expect(rounds.sent).toHaveLength(1)
    await tool.perform(input, { round: 'a' })
    expect(await downstream.effects(input.ref)).toBe(1)
  })

  it('equal rounds that meet share one send', async () => {
    const rounds: Rounds = { sent: [], questions: 1 }
    const tool = asking(guard, rounds)
    const input = { ref: ref('meet') }
    const first = await Promise.all([tool.perform(input), tool.perform(input), tool.perform(input)])
    expect(first.map(({ status }) => status)).toEqual(Array(3).fill('awaiting-input'))
    const second = await Promise.all(['a', 'a', 'a'].map((round) => tool.perform(input, { round })))
    expect(second.filter(({ joined }) => joined)).toHaveLength(2)
    expect(rounds.sent).toHaveLength(2)
    expect(await downstream.effects(input.ref)).toBe(1)
  })

  it('another process serves the next round, and sends none that was sent before', async () => {
    if (name === 'memory') return
    const here: Rounds = { sent: [], questions: 2 }
    const there: Rounds = { sent: [], questions: 0 }
    const input = { ref: ref('elsewhere') }
    const tool = asking(guard, here)
    await tool.perform(input)
    await tool.perform(input, { round: 'a' })
    const other = testGuard({ store: makeStore(path) })
    try {
      const same = asking(other, there)
      for (const round of [undefined, 'a']) {
        await expect(same.perform(input, { round })).rejects.toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown' })
      }
      expect(there.sent).toHaveLength(0)
      expect(await same.perform(input, { round: 'b' })).toMatchObject({ status: 'committed', replayed: false })
      expect(there.sent).toEqual([here.sent[0]])
    } finally {
      await other.close()
    }
    expect(await downstream.effects(input.ref)).toBe(1)
  })

  it('a lost answer of a round is a doubt like any other', async () => {
    const error = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    const rounds: Rounds = { sent: [], questions: 1, fails: { at: 2, error } }
    const tool = asking(guard, rounds)
    const input = { ref: ref('lost-round') }
    await tool.perform(input)
    await expect(tool.perform(input, { round: 'a' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    for (const round of [undefined, 'a', 'b'])
      await expect(tool.perform(input, { round })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(rounds.sent).toHaveLength(2)
  })

  it('a later round that was not sent proves nothing about the first: the question stands', async () => {
    const rounds: Rounds = { sent: [], questions: 1, fails: { at: 2, error: new UnsentError('refused') } }
    const tool = asking(guard, rounds)
    const input = { ref: ref('unsent-round') }
    await tool.perform(input)
    await expect(tool.perform(input, { round: 'a' })).rejects.toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'unknown',
      cause: rounds.fails?.error,
    })
    expect(told(await tool.perform(input))).toMatchObject({ status: 'awaiting-input', value: { ask: 1 } })
    expect(await tool.perform(input, { round: 'a' })).toMatchObject({ status: 'committed' })
    expect(await downstream.effects(input.ref)).toBe(1)
  })

  it('a caller who starts over gets the first question again, and goes another way from there', async () => {
    const rounds: Rounds = { sent: [], questions: 2 }
    const tool = asking(guard, rounds)
    const input = { ref: ref('over') }
    await tool.perform(input)
    await tool.perform(input, { round: 'a' })
    expect(told(await tool.perform(input))).toEqual({ status: 'awaiting-input', value: { ask: 1 }, replayed: true })
    expect(await tool.perform(input, { round: 'b' })).toMatchObject({ status: 'committed' })
    expect(rounds.sent).toHaveLength(3)
  })

  it('other arguments in a later round are KEY_REUSED', async () => {
    const rounds: Rounds = { sent: [], questions: 1 }
    const tool = asking(guard, rounds)
    await tool.perform({ ref: ref('changed'), amount: 1 })
    await expect(tool.perform({ ref: ref('changed'), amount: 2 }, { round: 'a' })).rejects.toMatchObject({
      code: 'KEY_REUSED',
    })
    expect(rounds.sent).toHaveLength(1)
  })

  it('a question that nobody answers in time is a doubt, never forgotten and never run again', async () => {
    await guard.close()
    guard = testGuard({ store: makeStore(path), settings: { questionMs: 30 } })
    const rounds: Rounds = { sent: [], questions: 1 }
    const tool = asking(guard, rounds)
    const input = { ref: ref('unanswered') }
    const doubted = new Promise((resolve) => guard.on('doubt', resolve))
    await tool.perform(input)
    await doubted
    await expect(tool.perform(input, { round: 'a' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(rounds.sent).toHaveLength(1)
  })
})
