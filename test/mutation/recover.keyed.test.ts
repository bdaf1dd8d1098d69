import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { bench, type OrderInput } from './bench.ts'
import { doubted, keyed } from './corners.ts'

describe('keyed', () => {
  it('is sent again under the same key with the frozen input, at once, and its caller gets the answer', async () => {
    const { b, tool, key } = await doubted(() => keyed(), 'lose-answer')
    const outcome = await b.until(tool.perform({ ref: 'a', note: 'first' }))
    expect(outcome).toMatchObject({
      status: 'committed',
      value: { id: 1 },
      attempts: 2,
      replayed: false,
      recorded: true,
    })
    expect(new Set(b.downstream.keys('a')).size).toBe(1)
    expect(b.downstream.keys('a')).toHaveLength(2)
    expect(await b.history(key)).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T13 recovering>executing',
      'T5 executing>committed',
    ])
    expect(b.points.slice(6)).toEqual([
      'recovering',
      'before-resend',
      'marked',
      'answered',
      'before-commit',
      'committed',
    ])
  })

  it('later ones wait longer, up to the longest pause', async () => {
    const { b, tool } = await doubted(() => keyed(), 'lose-answer', {
      settings: { recoveryBackoffMs: 100, maxRecoveryBackoffMs: 350 },
    })
    b.downstream.plan('a', 'lose-request', 'lose-request', 'lose-request', 'lose-request')
    const times: number[] = []
    b.fault = (point) => {
      if (point === 'recovering') times.push(b.time.bootMs())
    }
    await b.until(tool({ ref: 'a' }, { onDoubt: 'wait' }))
    expect(times.map((time, i) => time - (times[i - 1] ?? time))).toEqual([0, 100, 200, 350, 350])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('the run that asked first is there again', async () => {
    const runs: unknown[] = []
    const { b, tool } = await doubted(
      () => keyed(),
      'lose-answer',
      {},
      {
        execute: (input: OrderInput, context: ToolContext) => {
          runs.push(context.run)
          return b.downstream.send(input, context)
        },
      },
    )
    await b.guard.run({ id: 'r', session: 's' }, () => b.until(tool({ ref: 'a' })))
    expect(runs).toEqual(Array.from({ length: 2 }, () => ({ id: 'r', tenant: 'default', session: 's' })))
    const other = await doubted(() => keyed(), 'lose-answer')
    await other.b.until(other.tool({ ref: 'a' }))
    expect(other.b.record(other.tool, { ref: 'a' })?.run).toBeUndefined()
  })

  it('not after its window less the margin: a person decides', async () => {
    for (const [pause, effects] of [
      [479_999, 2],
      [480_001, 1],
    ] as const) {
      const { b, tool } = await doubted(() => keyed({ windowMs: 600_000 }), 'lose-answer')
      b.fault = (point) => {
        if (point === 'doubted') b.time.pause(pause)
      }
      const work = tool.perform({ ref: 'a' }, { onDoubt: 'return' })
      const outcome = await b.until(work)
      expect(b.downstream.keys('a')).toHaveLength(effects)
      if (effects === 1) {
        expect(outcome).toMatchObject({ status: 'in-doubt', record: { reason: 'window-closed' } })
        expect(outcome.record?.evidence.at(-1)?.what).toContain('window for this key is closed')
      }
    }
  })

  it('a pause between the marker and the byte does not outlive the window', async () => {
    const { b, tool } = await doubted(() => keyed({ windowMs: 600_000 }), 'lose-answer')
    let marks = 0
    b.fault = (point) => {
      if (point === 'doubted') b.time.pause(479_000)
      if (point === 'marked' && (marks += 1) === 2) b.time.pause(1_001)
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
    expect(outcome.status).toBe('in-doubt')
    expect(b.downstream.keys('a')).toHaveLength(1)
  })

  it('a window that closes between the question and the marker', async () => {
    const { b, tool } = await doubted(() => keyed({ windowMs: 600_000 }), 'lose-answer')
    b.fault = (point) => {
      if (point === 'doubted') b.time.pause(479_999)
      if (point === 'before-resend') b.time.stepStore(10)
    }
    b.trouble.answer = (verb, args, answer) => {
      // The marker's own compare-and-set meets a change: it is decided on the store's newer time.
      const draft = (args[0] as { draft?: { state?: string } } | undefined)?.draft
      return verb === 'write' && draft?.state === 'executing' && b.points.at(-1) === 'before-resend'
        ? undefined
        : answer
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
    expect(['committed', 'in-doubt']).toContain(outcome.status)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('with a probe it asks where the window has closed', async () => {
    const { b, tool } = await doubted(
      (it) => keyed({ windowMs: 600_000, probe: (input: OrderInput) => it.downstream.find(input.ref) }),
      'lose-answer',
    )
    b.fault = (point) => {
      if (point === 'doubted') b.time.pause(480_001)
    }
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', value: { id: 1 } })
    expect(b.downstream.keys('a')).toHaveLength(1)
    expect(b.points).toContain('probed')
    const lost = await doubted(() => keyed({ windowMs: 600_000, probe: () => ({ found: 'unknown' }) }), 'lose-answer')
    lost.b.fault = (point) => {
      if (point === 'doubted') lost.b.time.pause(480_001)
    }
    const outcome = await lost.b.until(lost.tool.perform({ ref: 'a' }, { onDoubt: 'return' }))
    expect(outcome.record).toMatchObject({ reason: 'window-closed', state: 'in-doubt' })
  })

  it('a 5xx that comes again is asked after, where there is a probe', async () => {
    const { b, tool } = await doubted(
      (it) => keyed({ probe: (input: OrderInput) => it.downstream.find(input.ref) }),
      'lose-request',
    )
    b.downstream.plan('a', 'server-error', 'server-error')
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed' })
    expect(b.points.filter((point) => point === 'probed')).toHaveLength(1)
    expect(b.downstream.effects('a')).toBe(1)
    const without = await doubted(() => keyed(), 'lose-request')
    without.b.downstream.plan('a', 'server-error', 'server-error')
    await without.b.until(without.tool({ ref: 'a' }))
    expect(without.b.downstream.keys('a')).toHaveLength(4)
  })
})

describe('under the amnesia mark', () => {
  it('a keyed doubt from before it is not sent again, for its key may be another', async () => {
    const { b, tool, key } = await doubted(() => keyed(), 'lose-answer')
    b.fault = async (point) => {
      if (point !== 'doubted') return
      await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return' }))
    expect(outcome).toMatchObject({ status: 'in-doubt', record: { reason: 'window-closed' } })
    expect(b.recordOf(key)?.evidence.at(-1)?.what).toContain('lost records')
    expect(b.downstream.keys('a')).toHaveLength(1)
  })

  it('a mark that appears at the re-send: nothing is sent, the next recovery judges anew', async () => {
    const { b, tool, key } = await doubted(() => keyed(), 'lose-answer')
    b.fault = async (point) => {
      if (point === 'before-resend') await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 1_000 }))
    expect(outcome.status).toBe('in-doubt')
    expect(b.downstream.keys('a')).toHaveLength(1)
    expect((await b.history(key)).slice(2, 5)).toEqual([
      'T10 in-doubt>recovering',
      'T13 recovering>executing',
      'T8 executing>in-doubt',
    ])
  })

  it('what asks may settle it', async () => {
    const b = bench()
    await b.inner.open()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    await b.downstream.send({ ref: 'a' }, { downstreamKey: () => 'lost', checkpoint: () => undefined })
    const tool = b.tool({ recovery: keyed({ probe: (input: OrderInput) => b.downstream.find(input.ref) }) })
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.effects('a')).toBe(1)
  })
})
