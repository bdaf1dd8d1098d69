import { describe, expect, it } from 'vitest'
import { currentOperation, currentRun } from '../../src/engine/index.ts'
import { bench, type Bench } from './bench.ts'
import { probing } from './corners.ts'

const input = { ref: 'a' }
const TIMEOUT_MS = 5_000

/** A function that never answers the first time, and as `then` does later; it keeps the signals that it was given. */
function silentOnce<T>(then: () => T): {
  ask: (given: unknown, context: { signal: AbortSignal }) => unknown
  signals: AbortSignal[]
} {
  const signals: AbortSignal[] = []
  return {
    signals,
    ask(_given, { signal }) {
      signals.push(signal)
      return signals.length === 1 ? new Promise(() => undefined) : then()
    },
  }
}

async function doubted(b: Bench, recovery: object, plan: 'lose-answer' | 'lose-request', timeoutMs = TIMEOUT_MS) {
  const tool = b.tool({ recovery, timeout: `${timeoutMs}ms` })
  b.downstream.plan('a', plan)
  const key = (): string => b.record(tool, input)?.key ?? ''
  return { tool, key }
}

describe('what only asks and never answers', () => {
  it('a probe counts as one that could not tell when the time-out is over, and is asked again', async () => {
    const b = bench()
    const probe = silentOnce(() => b.downstream.find('a'))
    const { tool, key } = await doubted(b, probing(b, { probe: probe.ask }), 'lose-answer')
    const work = tool.perform(input, { onDoubt: 'wait', waitMs: 600_000 })
    await b.time.advance(TIMEOUT_MS - 1)
    expect(b.recordOf(key())?.state).toBe('recovering')
    expect(probe.signals[0]?.aborted).toBe(false)
    await b.time.advance(1)
    expect(probe.signals[0]?.aborted).toBe(true)
    expect(b.recordOf(key())).toMatchObject({ state: 'in-doubt', reason: 'recovery-failed' })
    expect(b.recordOf(key())?.evidence.at(-1)?.what).toBe('the probe failed: Error ETIMEDOUT')
    expect(await b.until(work)).toMatchObject({ status: 'committed', value: { id: 1, ref: 'a' } })
    expect(probe.signals).toHaveLength(2)
    expect(probe.signals[1]?.aborted).toBe(false)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a precondition allows nothing, and is asked again', async () => {
    const b = bench()
    const precondition = silentOnce(() => true)
    const recovery = { class: 'idempotent', precondition: precondition.ask }
    const { tool, key } = await doubted(b, recovery, 'lose-request')
    const work = tool.perform(input, { onDoubt: 'wait', waitMs: 600_000 })
    await b.time.advance(TIMEOUT_MS)
    expect(precondition.signals[0]?.aborted).toBe(true)
    expect(b.recordOf(key())).toMatchObject({ state: 'in-doubt', reason: 'recovery-failed' })
    expect(b.downstream.effects('a')).toBe(0)
    expect(await b.until(work)).toMatchObject({ status: 'committed' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a verification is not known yet, and is asked again', async () => {
    const b = bench()
    const verify = silentOnce(() => true)
    const tool = b.tool({ verify: verify.ask, timeout: `${TIMEOUT_MS}ms` })
    await b.until(tool.perform(input))
    expect(b.record(tool, input)?.state).toBe('accepted')
    while (verify.signals.length === 0) await b.time.advance(100)
    // Nobody waits for it: the process may end before it answers.
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
    await b.time.advance(600_000)
    expect(verify.signals[0]?.aborted).toBe(true)
    expect(verify.signals.length).toBeGreaterThan(1)
    expect(b.record(tool, input)?.state).toBe('committed')
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('is told when its engine closes', async () => {
    const b = bench()
    const probe = silentOnce(() => b.downstream.find('a'))
    const { tool, key } = await doubted(b, probing(b, { probe: probe.ask }), 'lose-answer', 600_000)
    void tool.perform(input, { onDoubt: 'wait', waitMs: 600_000 }).catch(() => undefined)
    await b.time.advance(100)
    expect(probe.signals.map(({ aborted }) => aborted)).toEqual([false])
    const closed = b.guard.close()
    await b.time.advance(100_000)
    await closed
    expect(probe.signals.map(({ aborted }) => aborted)).toEqual([true])
    await b.inner.open()
    expect(b.recordOf(key())?.state).toBe('in-doubt')
  })

  it('what it says too late is heard by nobody, also where it fails', async () => {
    const b = bench()
    let fail = (_error: Error): void => {}
    let asked = 0
    const probe = (): unknown => {
      asked += 1
      return asked === 1 ? new Promise((_, reject) => (fail = reject)) : b.downstream.find('a')
    }
    const { tool, key } = await doubted(b, probing(b, { probe }), 'lose-answer')
    const work = tool.perform(input, { onDoubt: 'wait', waitMs: 600_000 })
    await b.time.advance(TIMEOUT_MS)
    fail(new Error('too late'))
    expect(await b.until(work)).toMatchObject({ status: 'committed' })
    expect(await b.history(key())).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T14 recovering>in-doubt',
      'T10 in-doubt>recovering',
      'T11 recovering>committed',
    ])
  })
})

describe('what asks, asks in the run of the record', () => {
  /** Where a question was asked: the run, its tenant, and whether inside an operation. */
  const place = (): unknown => {
    const run = currentRun()
    return [run?.id, run?.tenant, run?.session, currentOperation()]
  }
  const asks: readonly (readonly [name: string, options: (asked: () => void) => object])[] = [
    [
      'a probe',
      (asked) => ({ recovery: { class: 'probe', settleMs: 0, probe: () => (asked(), { found: 'unknown' }) } }),
    ],
    // It answers neither, which is asked again.
    ['a precondition', (asked) => ({ recovery: { class: 'idempotent', precondition: asked } })],
    ['a verification', (asked) => ({ verify: asked })],
  ]

  it.each(asks)(
    '%s, not in that of whoever opened the engine, by itself or made to by an operator',
    async (name, options) => {
      const b = bench()
      const asked: unknown[] = []
      const tool = b.tool(options(() => void asked.push(place())))
      await b.guard.run({ id: 'opener', tenant: 'acme' }, () => b.until(b.tool({ name: 'other' })({ ref: 'o' })))
      b.downstream.plan('a', ...(name === 'a verification' ? [] : (['lose-answer'] as const)))
      const own = { id: 'r', tenant: 'globex', session: 's' }
      await b.guard.run(own, () => b.until(tool.perform(input, { onDoubt: 'return', waitMs: 0 })))
      await b.time.advance(5_000)
      await b.guard.run({ id: 'operator' }, () => b.until(b.guard.internals.tick()))
      await b.time.advance(5_000)
      expect(asked.length).toBeGreaterThan(1)
      expect(asked).toEqual(asked.map(() => ['r', 'globex', 's', undefined]))
    },
  )

  it('also where a caller of another run waits for it, and in none where there was none', async () => {
    const b = bench()
    const asked: unknown[] = []
    const probe = (): unknown => {
      asked.push(place())
      return asked.length === 1 ? { found: 'unknown' } : b.downstream.find('a')
    }
    const tool = b.tool({ recovery: probing(b, { probe }) })
    b.downstream.plan('a', 'lose-answer')
    await b.until(tool.perform(input, { onDoubt: 'return', waitMs: 0 }))
    await b.guard.run({ id: 'later' }, () => b.until(tool(input)))
    expect(asked).toEqual(Array.from({ length: 2 }, () => [undefined, undefined, undefined, undefined]))
  })
})
