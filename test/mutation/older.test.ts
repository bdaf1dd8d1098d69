import { describe, expect, it } from 'vitest'
import type { FaultPoint } from '../../src/engine/index.ts'
import { bench, facts, receiptOf, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'

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
