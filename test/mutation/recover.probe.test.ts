import { describe, expect, it } from 'vitest'
import { coded, settle, type Bench, type OrderInput } from './bench.ts'
import { doubted, hungOwner } from './corners.ts'

const probing = (b: Bench, change: object = {}) => ({
  class: 'probe',
  settleMs: 5_000,
  probe: (input: OrderInput) => b.downstream.find(input.ref),
  ...change,
})

describe('probe', () => {
  it('found: the downstream’s value, at once', async () => {
    const seen: unknown[] = []
    const { b, tool, key } = await doubted(
      (it) =>
        probing(it, {
          probe: (
            input: OrderInput,
            context: { key: string; attempt: number; signal: AbortSignal; downstreamKey(): string },
          ) => {
            seen.push(input, context.key, context.attempt, context.signal.aborted, context.downstreamKey())
            return it.downstream.find(input.ref)
          },
        }),
      'lose-answer',
    )
    const before = b.time.bootMs()
    expect(await b.until(tool.perform({ ref: 'a', note: 'n' }))).toMatchObject({
      status: 'committed',
      value: { id: 1, ref: 'a' },
      recorded: true,
      attempts: 1,
      replayed: false,
    })
    expect(b.time.bootMs()).toBe(before)
    expect(seen).toEqual([{ ref: 'a', note: 'n' }, key, 1, false, b.downstream.keys('a')[0]])
    expect(await b.history(key)).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T11 recovering>committed',
    ])
    expect(b.points.slice(-3)).toEqual(['recovering', 'probed', 'recovered'])
  })

  it('not found counts only after grace, quarantine and settle; then it runs again for who still waits', async () => {
    const { b, tool, key } = await doubted((it) => probing(it), 'lose-request')
    const before = b.time.bootMs()
    const work = tool.perform({ ref: 'a' }, { onDoubt: 'wait' })
    await b.time.advance(66_999)
    expect(b.recordOf(key)?.state).toBe('recovering')
    expect(b.points.filter((point) => point === 'probed')).toHaveLength(1)
    const outcome = await b.until(work)
    expect(b.time.bootMs() - before).toBe(67_000)
    expect(outcome).toMatchObject({ status: 'committed', attempts: 2 })
    expect(b.downstream.effects('a')).toBe(1)
    // Its second attempt has another downstream key: the first was proven void.
    expect(new Set(b.downstream.keys('a')).size).toBe(2)
    expect((await b.history(key)).filter((step) => !step.startsWith('heartbeat'))).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T12 recovering>released',
      "T1' released>executing",
      'T5 executing>committed',
    ])
  })

  it('an effect that shows during the wait is found', async () => {
    let asked = 0
    const { b, tool } = await doubted(
      () => ({
        class: 'probe',
        settleMs: 0,
        probe: () => ((asked += 1) === 1 ? { found: false } : { found: true, value: { id: 9, ref: 'late' } }),
      }),
      'lose-answer',
    )
    expect(await b.until(tool({ ref: 'a' }, { onDoubt: 'wait' }))).toEqual({ id: 9, ref: 'late' })
    expect(asked).toBe(2)
  })

  it.each([
    ['that cannot tell', () => ({ found: 'unknown' }), 'the probe could not tell'],
    ['that says why', () => ({ found: 'unknown', why: 'maintenance' }), 'maintenance'],
    [
      'that fails',
      () => {
        throw coded('ETIMEDOUT')
      },
      'the probe failed: Error ETIMEDOUT',
    ],
  ])('one %s leaves the doubt, with evidence, for the next time', async (_name, probe, evidence) => {
    const { b, tool, key } = await doubted((it) => probing(it, { probe }), 'lose-answer')
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
    expect(outcome.status).toBe('in-doubt')
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'recovery-failed' })
    expect(b.recordOf(key)?.evidence.map(({ what }) => what)).toContain(evidence)
  })

  it.each([undefined, null, 'none', {}, { found: undefined }, { found: { id: 1 }, value: 1 }, { found: 'no' }])(
    'one that answers %j has not said that nothing is there',
    async (answer) => {
      const { b, tool, key } = await doubted((it) => probing(it, { probe: () => answer }), 'lose-answer')
      await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
      await b.time.advance(80_000)
      expect(b.recordOf(key)?.state).not.toBe('released')
      expect(b.recordOf(key)?.evidence.at(-1)?.what).toBe('the probe answered in no form that a probe has')
      expect(b.downstream.effects('a')).toBe(1)
    },
  )

  it('after a lapsed lease the reason stays, and the owner’s lease is waited out too', async () => {
    const { b, key } = await hungOwner((it) => ({ recovery: probing(it), sends: 'checked', timeout: '10m' }))
    expect(b.recordOf(key)).toMatchObject({ state: 'recovering', reason: 'lease-over' })
    await b.time.advance(30_000 + 67_000 - 1_000)
    expect(b.recordOf(key)?.state).toBe('recovering')
    await b.time.advance(2_000)
    expect(b.recordOf(key)?.state).toBe('released')
  })

  it('an owner that lives and whose sends pass no check may send at any time', async () => {
    const { b, other, key } = await hungOwner((it) => ({ recovery: probing(it), timeout: '10m' }))
    await settle()
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
    expect(b.recordOf(key)?.evidence.at(-1)?.what).toBe('not found, but its owner may still send')
    await b.time.advance(300_000)
    expect(b.recordOf(key)?.state).not.toBe('released')
    other.dead.add('host/boot/1/1')
    await b.time.advance(120_000)
    expect(b.recordOf(key)?.state).toBe('released')
  })
})
