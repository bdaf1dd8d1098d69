import { describe, expect, it } from 'vitest'
import { bench, facts, receiptOf, refusalOf, settle } from './bench.ts'

const input = { ref: 'a', amount: 1 }

describe('what was taken over under a secret that is older here', () => {
  /** Each knows the other's secret: a rotation in two steps, or one that was taken back. */
  function mutual() {
    const past = bench({ keySecret: 'old', previousSecrets: ['new'] })
    return { past, now: bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' }) }
  }

  it('is replayed, listed in the receipt, and undone', async () => {
    const { past, now } = mutual()
    const options = { compensate: () => undefined }
    const [old, tool] = [past.tool(options), now.tool(options)]
    await now.until(tool(input))
    const { key } = now.record(tool, input)!
    expect(await past.until(old.perform(input))).toMatchObject({ value: { id: 1, ref: 'a' }, replayed: true, key })
    const told = await receiptOf(past, () => old(input))
    expect(told).toMatchObject({ committed: [{ key, state: 'committed' }], inDoubt: [], cancelled: [] })
    await past.until(old.compensate(input))
    expect(facts(await refusalOf(now.until(tool(input))))).toMatchObject({ code: 'COMPENSATED', effect: 'none' })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is in doubt there and told as that, with its ticket', async () => {
    const { past, now } = mutual()
    past.downstream.plan('a', 'lose-answer')
    await refusalOf(now.until(now.tool()(input)))
    const { key } = now.record(now.tool(), input)!
    const error = await refusalOf(past.until(past.tool()(input)))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', key, ticket: key.slice(4, 16) })
  })

  it.each(['past', 'now'] as const)('came to nothing, and is begun again there: by %s', async (who) => {
    const benches = mutual()
    const { past, now } = benches
    const [old, tool] = [past.tool(), now.tool()]
    past.downstream.plan('a', 'refuse')
    await refusalOf(now.until(tool(input)))
    const { key } = now.record(tool, input)!
    const first = who === 'past' ? old : tool
    expect(await benches[who].until(first.perform(input))).toMatchObject({ status: 'committed', replayed: false, key })
    for (const one of [old, tool]) expect(await past.until(one.perform(input))).toMatchObject({ replayed: true, key })
    expect(facts(await refusalOf(past.until(old({ ...input, amount: 9 }))))).toMatchObject({ code: 'KEY_REUSED' })
    expect([past.downstream.effects('a'), new Set(past.downstream.keys('a')).size]).toEqual([1, 2])
  })

  /** Both begin at once: each has taken the other's key over, and neither has claimed its own. */
  async function crossed(order: readonly string[], { past, now } = mutual()) {
    const [old, tool] = [past.tool(), now.tool()]
    const held: (() => void)[] = []
    for (const b of [past, now]) {
      b.fault = (point) => (point === 'before-claim' ? new Promise((go) => held.push(go)) : undefined)
    }
    const calls = order.map((who) => (who === 'past' ? old : tool).perform(input))
    for (const call of calls) call.catch(() => undefined)
    await settle()
    const [a, b] = [past.record(old, input), now.record(tool, input)]
    expect([a?.state, b?.state]).toEqual(['superseded', 'superseded'])
    for (const one of [past, now]) one.fault = () => undefined
    return { past, now, old, tool, calls, held }
  }

  it.each([
    ['past', 'now'],
    ['now', 'past'],
  ])('by two that began at once happens once: %s first', async (...order) => {
    const { past, now, old, tool, calls, held } = await crossed(order)
    for (const go of held) go()
    const [one, other] = await past.until(Promise.all(calls))
    expect([one?.key, one?.value]).toEqual([other?.key, other?.value])
    expect([past.record(old, input)?.state, now.record(tool, input)?.state].map(String).toSorted()).toEqual([
      'committed',
      'superseded',
    ])
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('by two that began at once after the store lost records is a doubt, as if nothing were there', async () => {
    const benches = mutual()
    const { past, now } = benches
    await past.inner.open()
    await past.inner.markAmnesia({ at: past.time.storeMs(), lossFrom: 0, why: 'told' })
    await past.time.advance(60_000)
    for (const b of [past, now]) await b.until(b.guard.open())
    const { calls, held } = await crossed(['past', 'now'], benches)
    for (const go of held) go()
    const told = await past.until(Promise.all(calls.map(refusalOf)))
    expect(told.map(facts)).toMatchObject([{ code: 'IN_DOUBT' }, { code: 'IN_DOUBT' }])
    expect(past.downstream.effects('a')).toBe(0)
  })

  it.each(['past', 'now'] as const)('by two that then died is begun by whoever comes: %s', async (who) => {
    const { past, now, old, tool } = await crossed(['past', 'now'])
    const third =
      who === 'past'
        ? bench({ beside: past, keySecret: 'old', previousSecrets: ['new'], self: 'host/boot/3/3' })
        : bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/3/3' })
    expect(await third.until(third.tool()(input))).toEqual({ id: 1, ref: 'a' })
    expect([past.record(old, input)?.state, now.record(tool, input)?.state].map(String).toSorted()).toEqual([
      'committed',
      'superseded',
    ])
    expect(past.downstream.effects('a')).toBe(1)
  })

  it.each(['past', 'now'] as const)(
    'by two that then died, and done by one with a newer secret, stays done: %s',
    async (who) => {
      const { past } = await crossed(['past', 'now'])
      const newest = bench({
        beside: past,
        keySecret: 'newest',
        previousSecrets: who === 'past' ? ['new', 'old'] : ['old', 'new'],
        self: 'host/boot/3/3',
      })
      expect(await newest.until(newest.tool()(input))).toEqual({ id: 1, ref: 'a' })
      const [own, other] = who === 'past' ? ['old', 'new'] : ['new', 'old']
      const late = bench({ beside: past, keySecret: own, previousSecrets: [other], self: 'host/boot/4/4' })
      const error = await refusalOf(late.until(late.tool()(input)))
      expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
      expect(past.downstream.effects('a')).toBe(1)
    },
  )

  it('by two, of whom one goes on while a third name looks, is done by that one', async () => {
    const { past, now, old, tool } = await crossed(['past', 'now'])
    const [smaller] = [past.record(old, input)!.key, now.record(tool, input)!.key].toSorted()
    const own = past.record(old, input)!.key === smaller ? 'old' : 'new'
    const goesOn = bench({
      beside: past,
      keySecret: own,
      previousSecrets: [own === 'old' ? 'new' : 'old'],
      self: 'host/boot/4/4',
    })
    const third = bench({
      beside: past,
      keySecret: 'newest',
      previousSecrets: ['new', 'old'],
      self: 'host/boot/3/3',
    })
    let looks = 0
    // Its own look for what stands there comes first, then both markers, then the smaller one again.
    third.trouble.request = (verb, args) =>
      verb === 'read' && args[0] === smaller && (looks += 1) === 2
        ? goesOn
            .tool()(input)
            .then(() => undefined)
        : undefined
    expect(await third.until(third.tool().perform(input))).toMatchObject({ replayed: true, key: smaller })
    expect([looks > 1, past.downstream.effects('a')]).toEqual([true, 1])
  })

  it('by one that died before it claimed is begun under its name', async () => {
    const { past, now } = mutual()
    const [old, tool] = [past.tool(), now.tool()]
    now.fault = (point) => (point === 'before-claim' ? new Promise(() => undefined) : undefined)
    void tool(input).catch(() => undefined)
    await settle()
    expect([past.record(old, input)?.state, now.record(tool, input)]).toEqual(['superseded', undefined])
    expect(await past.until(old(input))).toEqual({ id: 1, ref: 'a' })
    expect(now.record(tool, input)?.state).toBe('committed')
    expect(await past.until(old.perform(input))).toMatchObject({ replayed: true })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is looked at again where it was begun in between', async () => {
    const { past, now } = mutual()
    past.downstream.plan('a', 'refuse')
    const tool = now.tool()
    await refusalOf(now.until(tool(input)))
    const { key } = now.record(tool, input)!
    const reads = (look: (nth: number) => void | Promise<void>) => {
      let nth = 0
      past.trouble.request = (verb, args) => (verb === 'read' && args[0] === key ? look((nth += 1)) : undefined)
    }
    reads(async (nth) => {
      if (nth === 2) await tool(input)
    })
    expect(await past.until(past.tool().perform(input))).toMatchObject({ replayed: true, key })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is begun for nobody who has stopped waiting', async () => {
    const { past, now, old, tool } = await crossed(['past', 'now'])
    const [smaller, larger] = [past.record(old, input)!, now.record(tool, input)!].toSorted((one, other) =>
      one.key < other.key ? -1 : 1,
    )
    const owner = past.record(old, input)?.key === larger?.key ? 'old' : 'new'
    const third = bench({
      beside: past,
      keySecret: owner,
      previousSecrets: [owner === 'old' ? 'new' : 'old'],
      self: 'host/boot/3/3',
    })
    third.trouble.request = (verb, args) => {
      if (verb !== 'read' || args[0] !== smaller!.key || past.recordOf(smaller!.key)?.state !== 'released')
        return undefined
      return third.time.advance(1_500)
    }
    const error = await refusalOf(third.until(third.tool()(input, { waitMs: 1_000 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS' })
    await third.time.advance(10_000)
    expect([past.recordOf(smaller!.key)?.state, past.downstream.effects('a')]).toEqual(['released', 0])
    third.trouble.request = () => undefined
    expect(await third.until(third.tool()(input))).toEqual({ id: 1, ref: 'a' })
  })

  it('is not begun where nobody here knows the name that took it over', async () => {
    const { now } = mutual()
    const other = bench({ beside: now, keySecret: 'old', previousSecrets: ['older'], self: 'host/boot/3/3' })
    await now.until(now.tool()(input))
    const error = await refusalOf(other.until(other.tool()(input)))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
    expect(now.downstream.effects('a')).toBe(1)
  })

  it('is not begun where a third name has it', async () => {
    const past = bench({ keySecret: 'old', previousSecrets: ['new'] })
    const third = bench({ beside: past, keySecret: 'newest', previousSecrets: ['new'], self: 'host/boot/3/3' })
    const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
    // Only its marker under the key of `old` is left of `now`, and what it would claim is another's by then.
    now.fault = (point) => (point === 'before-claim' ? new Promise(() => undefined) : undefined)
    void now
      .tool()(input)
      .catch(() => undefined)
    await settle()
    await third.until(third.tool()(input))
    const error = await refusalOf(past.until(past.tool()(input)))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
    expect(past.downstream.effects('a')).toBe(1)
  })
})
