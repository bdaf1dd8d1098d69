import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import {
  bench,
  coded,
  facts,
  refusalOf,
  settle,
  unavailable,
  type Bench,
  type BenchOptions,
  type OrderInput,
} from './bench.ts'

const DAY = 86_400_000
const keyed = (change: object = {}) => ({ class: 'keyed', windowMs: DAY, settleMs: 0, ...change })
const probing = (b: Bench, change: object = {}) => ({
  class: 'probe',
  settleMs: 5_000,
  probe: (input: OrderInput) => b.downstream.find(input.ref),
  ...change,
})

/** A doubt left by a first call: its caller does not wait for the recovery. */
async function doubted(
  recovery: (b: Bench) => object,
  fault: 'lose-answer' | 'lose-request',
  options: BenchOptions = {},
  tools: object = {},
) {
  const b = bench(options)
  const tool = b.tool({ recovery: recovery(b), ...tools })
  b.downstream.plan('a', fault)
  return { b, tool, key: b.guard.internals.name(tool.contract, { ref: 'a' }).key }
}

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

  it('after a lapsed lease the reason stays, and the owner’s lease is waited out too', async () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    const options = { recovery: probing(b), sends: 'checked', timeout: '10m' }
    const first = b.tool(options)
    other.tool(options)
    b.downstream.plan('a', 'lose-request')
    b.fault = (point) => (point === 'answered' ? new Promise(() => undefined) : undefined)
    void first({ ref: 'a' }).catch(() => undefined)
    await settle()
    const { key } = b.record(first, { ref: 'a' })!
    b.time.stepStore(31_000)
    // The first process hangs: its heartbeats do not come.
    b.trouble.request = () => {
      throw unavailable()
    }
    await b.until(other.guard.internals.tick())
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'recovering', reason: 'lease-over' })
    await b.time.advance(30_000 + 67_000 - 1_000)
    expect(b.recordOf(key)?.state).toBe('recovering')
    await b.time.advance(2_000)
    expect(b.recordOf(key)?.state).toBe('released')
  })

  it('an owner that lives and whose sends pass no check may send at any time', async () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    const options = { recovery: probing(b), timeout: '10m' }
    const first = b.tool(options)
    other.tool(options)
    b.downstream.plan('a', 'lose-request')
    b.fault = (point) => (point === 'answered' ? new Promise(() => undefined) : undefined)
    void first({ ref: 'a' }).catch(() => undefined)
    await settle()
    const { key } = b.record(first, { ref: 'a' })!
    b.time.stepStore(31_000)
    b.trouble.request = () => {
      throw unavailable()
    }
    await b.until(other.guard.internals.tick())
    await b.until(other.guard.internals.tick())
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

describe('idempotent, composite, manual', () => {
  it('is applied again while its precondition holds', async () => {
    const seen: unknown[] = []
    const { b, tool } = await doubted(
      () => ({
        class: 'idempotent',
        precondition: (input: OrderInput, context: { attempt: number }) => {
          seen.push(input.ref, context.attempt)
          return true
        },
      }),
      'lose-request',
    )
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', attempts: 2 })
    expect(seen).toEqual(['a', 1])
  })

  it.each([
    ['does not hold', () => false, 'precondition-failed', 'does not hold'],
    [
      'cannot be checked',
      () => {
        throw coded('EPIPE')
      },
      'recovery-failed',
      'could not be checked: Error EPIPE',
    ],
  ])('not where it %s', async (_name, precondition, reason, evidence) => {
    const { b, tool, key } = await doubted(() => ({ class: 'idempotent', precondition }), 'lose-answer')
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
    expect(outcome.status).toBe('in-doubt')
    expect(b.recordOf(key)?.reason).toBe(reason)
    expect(b.recordOf(key)?.evidence.at(-1)?.what).toContain(evidence)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a composite runs again, and its children replay', async () => {
    const b = bench()
    let fails = true
    const child = b.tool({ name: 'child' })
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async (input: OrderInput) => {
        const placed = await child({ ref: `${input.ref}-1` })
        if (fails) {
          fails = false
          throw coded('ECONNRESET')
        }
        return placed
      },
    })
    const outcome = await b.until(parent.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', value: { id: 1, ref: 'a-1' }, attempts: 2 })
    expect(b.downstream.effects('a-1')).toBe(1)
    const record = b.record(parent, { ref: 'a' })!
    expect(record.children).toEqual([b.record(child, { ref: 'a-1' })!.key])
    expect((await b.history(record.key)).filter((step) => step.startsWith('adopted'))).toHaveLength(1)
  })

  it('a composite whose parts changed has diverged', async () => {
    const b = bench()
    const child = b.tool({ name: 'child' })
    let run = 0
    const errors: unknown[] = []
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async () => {
        run += 1
        if (run === 1) {
          await child({ ref: 'x' })
          throw coded('ECONNRESET')
        }
        errors.push(await refusalOf(child({ ref: 'y' })))
        return 1
      },
    })
    await b.until(parent({ ref: 'a' }))
    const record = b.record(parent, { ref: 'a' })!
    expect(facts(errors[0])).toMatchObject({
      code: 'DIVERGED',
      effect: 'none',
      key: record.key,
      details: { ordinal: 0, recorded: record.children[0] },
    })
    expect((errors[0] as Error).message).toContain('Part 1 of parent')
    expect(b.downstream.effects('y')).toBe(0)
  })

  it('a composite that lost its claim starts no part', async () => {
    const b = bench()
    const child = b.tool({ name: 'child' })
    const errors: unknown[] = []
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async () => {
        const { key } = b.record(parent, { ref: 'a' })!
        await b.inner.write({
          key,
          tenant: 'default',
          expect: b.recordOf(key)!.revision,
          draft: { ...b.recordOf(key)!, nonce: 'theirs', leaseMs: undefined },
          event: { transition: 'x', from: 'executing', to: 'executing', fence: 1, nonce: '', who: '', openSends: 1 },
        })
        errors.push(await refusalOf(child({ ref: 'x' })))
        return 1
      },
    })
    await b.until(parent({ ref: 'a' }, { waitMs: 10 }).catch(() => undefined))
    expect(facts(errors[0])).toMatchObject({
      code: 'CANCELLED',
      effect: 'none',
      key: b.record(parent, { ref: 'a' })?.key,
    })
    expect(b.downstream.effects('x')).toBe(0)
  })

  it('a manual one is left to people', async () => {
    const { b, tool, key } = await doubted(() => ({ class: 'manual' }), 'lose-answer')
    await refusalOf(b.until(tool({ ref: 'a' })))
    await b.time.advance(120_000)
    expect(await b.history(key)).toEqual(["T1' absent>executing", 'T8 executing>in-doubt'])
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
