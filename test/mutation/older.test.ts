import { describe, expect, it } from 'vitest'
import type { FaultPoint } from '../../src/engine/index.ts'
import { bench, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'

/** An engine under the old secret, and one under the new, on the same ledger. */
function rotated() {
  const past = bench({ keySecret: 'old' })
  return { past, now: bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' }) }
}

/** The engine stops for good at this point of an attempt. */
function diesAt(b: Bench, where: FaultPoint, when: (key: string) => boolean = () => true): void {
  b.fault = (point, key) => {
    if (point !== where || !when(key)) return undefined
    b.trouble.request = () => {
      throw unavailable()
    }
    return new Promise(() => undefined)
  }
}

const MAJORS = { version: 2, supersedes: [{ version: 1, identity: (input: OrderInput) => input.ref }] }
const V1 = { identity: (input: OrderInput) => input.ref }
const input = { ref: 'a', amount: 1 }
const receiptOf = (b: Bench, work: () => Promise<unknown>) =>
  b.until(
    b.guard.run({ id: 'r' }, async (run) => {
      await work().catch(() => undefined)
      return await run.receipt()
    }),
  )

describe('what stands under an older secret', () => {
  it('binds the fields that must match as before', async () => {
    const { past, now } = rotated()
    const old = past.tool()
    await past.until(old(input))
    const error = await refusalOf(now.until(now.tool()({ ...input, amount: 9 })))
    const { key } = past.record(old, input)!
    expect(facts(error)).toMatchObject({ code: 'KEY_REUSED', effect: 'done', key, details: { fields: ['amount'] } })
    expect(await now.until(now.tool().perform(input))).toMatchObject({ replayed: true, key, ticket: key.slice(4, 16) })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('counts too where there was none', async () => {
    const past = bench()
    const options = { beside: past, keySecret: 'new', self: 'host/boot/2/2' }
    await past.until(past.tool()(input))
    const now = bench({ ...options, previousSecrets: [null] })
    expect(await now.until(now.tool().perform(input))).toMatchObject({ replayed: true })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is listed in the receipt of the run that met it, and nothing else is', async () => {
    const { past, now } = rotated()
    await past.until(past.tool()(input))
    const told = await receiptOf(now, () => now.tool()(input))
    expect(told).toMatchObject({ committed: [{ tool: 'place_order', state: 'committed' }], cancelled: [] })
    expect(told.committed).toHaveLength(1)
    const fresh = await receiptOf(now, () => now.tool()({ ref: 'b' }))
    expect([fresh.committed.length, fresh.cancelled.length]).toEqual([1, 0])
  })

  it('is waited for while it runs, and replayed', async () => {
    const { past, now } = rotated()
    past.downstream.plan('a', 'hold')
    const first = past.tool()(input)
    await settle()
    const second = now.tool().perform(input)
    await past.time.advance(2_000)
    past.downstream.release('a')
    expect(await past.until(first)).toEqual({ id: 1, ref: 'a' })
    expect(await now.until(second)).toMatchObject({ value: { id: 1, ref: 'a' }, replayed: true })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is past the wait budget told as in progress, by its own ticket', async () => {
    const { past, now } = rotated()
    const old = past.tool({ timeout: '10m' })
    past.downstream.plan('a', 'hold')
    const first = old(input)
    await settle()
    const error = await refusalOf(now.until(now.tool({ timeout: '10m' })(input, { waitMs: 1_000 })))
    const { key } = past.record(old, input)!
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown', key, details: { state: 'executing' } })
    past.downstream.release('a')
    await past.until(first)
  })

  it('is recovered by the new engine when its owner is gone, with its own key downstream', async () => {
    const { past, now } = rotated()
    const recovery = { class: 'keyed', windowMs: 86_400_000, settleMs: 0 }
    diesAt(past, 'answered')
    void past
      .tool({ recovery })(input)
      .catch(() => undefined)
    await settle()
    expect(await now.until(now.tool({ recovery })(input, { waitMs: 600_000 }))).toEqual({ id: 1, ref: 'a' })
    expect(new Set(past.downstream.keys('a')).size).toBe(1)
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('is nothing once a claim that sent nothing has lapsed: the operation runs under its new name', async () => {
    const { past, now } = rotated()
    diesAt(past, 'claimed')
    void past
      .tool({ prepare: () => undefined })(input)
      .catch(() => undefined)
    await settle()
    const tool = now.tool({ prepare: () => undefined })
    expect(await now.until(tool(input, { waitMs: 600_000 }))).toEqual({ id: 1, ref: 'a' })
    expect(now.record(tool, input)?.state).toBe('committed')
    expect(past.record(past.tool({ prepare: () => undefined }), input)?.state).toBe('superseded')
  })

  it.each([
    ['undone', 'COMPENSATED', 'none'],
    ['expired', 'RESULT_EXPIRED', 'done'],
  ] as const)('and is %s is told as that', async (how, code, effect) => {
    const { past, now } = rotated()
    const options = { compensate: () => undefined }
    await past.until(past.tool(options)(input))
    if (how === 'undone') await past.until(past.tool(options).compensate(input))
    else {
      await past.time.advance(25 * 3_600_000)
      await past.until(past.guard.internals.tick())
    }
    const error = await refusalOf(now.until(now.tool(options)(input)))
    expect(facts(error)).toMatchObject({ code, effect })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('can be undone, once, and an undo that had begun is the same one', async () => {
    const { past, now } = rotated()
    let undone = 0
    let fails = true
    const compensate = () => {
      undone += 1
      if (fails) throw new Error('lost')
    }
    const old = past.tool({ compensate })
    await past.until(old(input))
    expect(facts(await refusalOf(past.until(old.compensate(input))))).toMatchObject({ code: 'IN_DOUBT' })
    fails = false
    expect(facts(await refusalOf(now.until(now.tool({ compensate }).compensate(input))))).toMatchObject({
      code: 'IN_DOUBT',
    })
    expect(undone).toBe(1)
    await past.until(old({ ref: 'b' }))
    await now.until(now.tool({ compensate }).compensate({ ref: 'b' }))
    expect(past.record(old, { ref: 'b' })?.state).toBe('compensated')
    expect(undone).toBe(2)
  })

  it('is not taken over by an undo that finds nothing', async () => {
    const { past, now } = rotated()
    const options = { compensate: () => undefined }
    expect(facts(await refusalOf(now.until(now.tool(options).compensate(input))))).toMatchObject({ code: 'HELD' })
    expect(past.record(past.tool(options), input)).toBeUndefined()
  })

  it('are the parts of a composite operation too, when it runs again', async () => {
    const { past, now } = rotated()
    const parts = (b: Bench, breaks: boolean) => {
      const part = b.tool()
      return b.tool({
        name: 'both',
        recovery: { class: 'composite' },
        execute: async () => {
          const first = await part({ ref: 'a' })
          if (breaks) throw new Error('lost')
          return [first, await part({ ref: 'b' })]
        },
      })
    }
    await refusalOf(past.until(parts(past, true)({ ref: 'x' }, { waitMs: 0 })))
    await past.guard.close()
    const outcome = await now.until(parts(now, false)({ ref: 'x' }, { waitMs: 600_000 }))
    expect(outcome).toMatchObject([{ ref: 'a' }, { ref: 'b' }])
    expect([past.downstream.effects('a'), past.downstream.effects('b')]).toEqual([1, 1])
  })

  it('is the verdict of a saga too: it never runs forward again', async () => {
    const { past, now } = rotated()
    const checkout = (b: Bench) => {
      const tool = (name: string) => b.tool({ name })
      const of = (ref: string) => () => ({ ref })
      return b.guard.saga<{ order: string }>('checkout', [
        { tool: tool('reserve'), input: of('reserve'), undo: { tool: tool('release'), input: of('release') } },
        { tool: tool('charge'), input: of('charge') },
      ])
    }
    past.downstream.plan('charge', 'refuse')
    const release = past.guard.internals.name(past.tool({ name: 'release' }).contract, { ref: 'release' })
    diesAt(past, 'before-claim', (key) => key === release.key)
    void checkout(past)({ order: 'o' }).catch(() => undefined)
    await settle()
    const end = await now.until(checkout(now)({ order: 'o' }, { waitMs: 600_000 }))
    expect(end).toMatchObject({ status: 'undone', failed: 'charge' })
    expect(past.downstream.log).toEqual(['reserve:ok', 'charge:refuse', 'release:ok'])
  })
})

describe('what stands under an older identity', () => {
  it('and an older secret at once is found', async () => {
    const { past, now } = rotated()
    await past.until(past.tool(V1)(input))
    const outcome = await now.until(now.tool({ ...MAJORS, replaysFrom: [1] }).perform(input))
    expect(outcome).toMatchObject({ replayed: true, value: { id: 1, ref: 'a' } })
    expect(past.downstream.effects('a')).toBe(1)
  })

  it('binds the fields that must match as before', async () => {
    const past = bench()
    await past.until(past.tool(V1)(input))
    const now = bench({ beside: past })
    const error = await refusalOf(now.until(now.tool({ ...MAJORS, replaysFrom: [1] })({ ...input, amount: 9 })))
    expect(facts(error)).toMatchObject({ code: 'KEY_REUSED', effect: 'done', details: { fields: ['amount'] } })
  })
})

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
  async function crossed(order: readonly string[]) {
    const { past, now } = mutual()
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

describe('an instance that does not know the new secret yet', () => {
  it('does not say that nothing happened, nor does its receipt', async () => {
    const { past, now } = rotated()
    await now.until(now.tool()(input))
    const error = await refusalOf(past.until(past.tool()(input)))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
    const told = await receiptOf(past, () => past.tool()(input))
    expect(told).toMatchObject({ inDoubt: [{ tool: 'place_order', state: 'superseded' }], cancelled: [] })
    expect(past.downstream.effects('a')).toBe(1)
  })
})

describe('an older version in another scope', () => {
  const v1 = { name: 'scoped', identity: ['ref'], scope: 'run' }
  const v2 = {
    ...v1,
    scope: 'tenant',
    version: 2,
    replaysFrom: [1],
    supersedes: [{ version: 1, identity: ['ref'], scope: 'run' }],
  }

  it('is found in its run, and by no call outside of one', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const [before, after] = [a.tool(v1), b.tool(v2)]
    expect(await a.until(a.guard.run({ id: 'r' }, () => before({ ref: 'a' })))).toEqual({ id: 1, ref: 'a' })
    expect(await b.until(b.guard.run({ id: 'r' }, () => after({ ref: 'a' })))).toEqual({ id: 1, ref: 'a' })
    expect(a.downstream.effects('a')).toBe(1)
    expect(await b.until(after({ ref: 'b' }))).toEqual({ id: 1, ref: 'b' })
  })
})
