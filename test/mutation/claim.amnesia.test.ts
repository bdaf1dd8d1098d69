import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf } from './bench.ts'

describe('under the amnesia mark', () => {
  const mark = (b: ReturnType<typeof bench>, at = b.time.storeMs()) =>
    b.inner.open().then(() => b.inner.markAmnesia({ at, lossFrom: 0, why: 'test' }))

  it.each([
    ['manual', { class: 'manual' }],
    ['keyed', { class: 'keyed', windowMs: 86_400_000, settleMs: 0 }],
    ['probe', { class: 'probe', probe: () => ({ found: 'unknown' }), settleMs: 0 }],
  ])('absent is no evidence for a %s tool', async (_name, recovery) => {
    const b = bench()
    await mark(b)
    const tool = b.tool({ recovery })
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 5_000 })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    const record = b.record(tool, { ref: 'a' })!
    expect(record.state).toBe('in-doubt')
    expect((await b.history(record.key))[0]).toBe('T0 absent>in-doubt')
    expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    expect(b.downstream.log).toEqual([])
  })

  it.each([
    ['idempotent', { class: 'idempotent', precondition: () => true }],
    ['composite', { class: 'composite' }],
  ])('a %s tool is applied all the same', async (_name, recovery) => {
    const b = bench()
    await mark(b)
    expect(await b.until(b.tool({ recovery })({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
  })

  it('the mark ends with the retry horizon', async () => {
    const b = bench()
    const tool = b.tool({ retryHorizon: '1h' })
    await mark(b, b.time.storeMs())
    b.time.pause(3_600_000)
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    b.time.pause(1)
    expect(await b.until(tool({ ref: 'b' }))).toEqual({ id: 1, ref: 'b' })
  })

  it('what is named within a run that was minted under it is new, what is the tenant’s is not', async () => {
    const b = bench()
    await mark(b)
    const within = b.tool({ scope: 'run' })
    const counted = b.tool({ name: 'counted', identity: 'sequence' })
    const tenants = b.tool({ name: 'tenants' })
    await b.guard.open()
    await b.guard.run({}, async () => {
      expect(await b.until(within({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
      expect(await b.until(counted({ ref: 'b' }))).toEqual({ id: 1, ref: 'b' })
      expect(await refusalOf(b.until(tenants({ ref: 'c' })))).toMatchObject({ code: 'IN_DOUBT' })
    })
    await b.guard.run({ id: 'from-outside' }, async () => {
      expect(await refusalOf(b.until(within({ ref: 'd' })))).toMatchObject({ code: 'IN_DOUBT' })
    })
    expect([...'cd'].map((ref) => b.downstream.effects(ref))).toEqual([0, 0])
  })

  it('a mark that another engine set while we claimed: nothing is sent', async () => {
    for (const prepare of [undefined, () => undefined]) {
      const b = bench()
      const tool = b.tool({ prepare })
      await b.guard.open()
      await mark(b)
      const error = await refusalOf(b.until(tool({ ref: 'a' })))
      expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', details: { reason: 'amnesia' } })
      expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
      expect(b.downstream.log).toEqual([])
      expect(b.points).toEqual(['before-claim', 'claimed'])
      expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    }
  })
})

it('a mark that appears between claim and marker: nothing is sent', async () => {
  const b = bench()
  const tool = b.tool({
    prepare: () => b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' }),
  })
  expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
  expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
  expect(b.downstream.log).toEqual([])
})
