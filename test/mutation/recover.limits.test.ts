import { describe, expect, it } from 'vitest'
import type { ProbeContext, ToolContext } from '../../src/contract/index.ts'
import { downstreamKey } from '../../src/key/index.ts'
import { bench, coded, refusalOf, settle, unavailable, type Bench, type Fault, type OrderInput } from './bench.ts'
import { keyed, pair, probing } from './corners.ts'

const input = { ref: 'a' }
const tells = { onDoubt: 'return', waitMs: 100 } as const

/** A call whose first send came to a doubt, and `between` it and its recovery. */
function doubting(b: Bench, fault: Fault, options: object, between: () => void | Promise<void> = () => undefined) {
  const tool = b.tool(options)
  b.downstream.plan('a', fault)
  let met = false
  b.fault = (point) => {
    if (point !== 'doubted' || met) return
    met = true
    return between()
  }
  return tool
}

/** The same, of which nobody waits for the recovery. */
async function left(b: Bench, fault: Fault, options: object) {
  const tool = doubting(b, fault, options, () => {
    throw coded('crash')
  })
  await b.until(tool(input).catch(() => undefined))
  return tool
}

describe('a keyed doubt', () => {
  it('by a 5xx is sent again once, then only asked after, and says so', async () => {
    const b = bench()
    const tool = doubting(b, 'server-error', { recovery: keyed({ probe: () => ({ found: 'unknown' }) }) })
    b.downstream.plan('a', 'server-error', 'server-error')
    const outcome = await b.until(tool.perform(input, { ...tells, waitMs: 2_000 }))
    expect(outcome.record).toMatchObject({ state: 'in-doubt', reason: 'server-error' })
    expect(b.downstream.keys('a')).toHaveLength(2)
    expect(b.points.filter((point) => point === 'probed').length).toBeGreaterThan(1)
  })

  it('whose window ends now is not marked again', async () => {
    const b = bench()
    const tool = doubting(b, 'lose-answer', { recovery: keyed({ windowMs: 600_000 }) }, () => b.time.pause(480_000))
    const outcome = await b.until(tool.perform(input, tells))
    expect(outcome.record).toMatchObject({ state: 'in-doubt', reason: 'window-closed', openSends: 1, attempts: 1 })
  })

  it.each([
    ['a lease', 30_000, 1],
    ['more than a lease', 30_001, 2],
  ])('sent %s after the loss: the key may be another within that', async (_when, beforeMs, sends) => {
    const b = bench()
    const tool = doubting(b, 'lose-answer', { recovery: keyed() }, () =>
      b.inner.markAmnesia({ at: b.time.storeMs() - beforeMs, lossFrom: 0, why: 'test' }),
    )
    await b.until(tool.perform(input, tells))
    expect(b.downstream.keys('a')).toHaveLength(sends)
  })

  it('that was never sent under this record is only asked after, though the mark is gone by then', async () => {
    const b = bench()
    await b.inner.open()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    const options = {
      retention: '12000d',
      recovery: keyed({ windowMs: 1e12, probe: () => new Promise(() => undefined) }),
    }
    void b
      .tool(options)(input)
      .catch(() => undefined)
    await b.time.advance(1_000)
    await b.until(b.guard.close())
    await b.inner.open()
    await b.inner.markAmnesia(undefined)
    const after = bench({ beside: b, self: 'host/boot/2/2' })
    const probe = ({ ref }: OrderInput): unknown => after.downstream.find(ref)
    const tool = after.tool({ retention: '12000d', recovery: keyed({ windowMs: 1e12, probe }) })
    await after.downstream.send(input, { downstreamKey: () => 'lost', checkpoint: () => undefined })
    expect(after.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'shutdown', firstSendAt: 0 })
    expect(await after.until(tool(input))).toEqual({ id: 1, ref: 'a' })
    expect(after.downstream.keys('a')).toEqual(['lost'])
  })
})

describe('a doubt about a loss itself', () => {
  it('is only asked after, though its own attempt had a key and the mark is gone by then', async () => {
    const b = bench()
    await b.until(b.guard.open())
    await b.downstream.send(input, { downstreamKey: () => 'lost', checkpoint: () => undefined })
    const mark = { at: b.time.storeMs(), lossFrom: 0, why: 'test' }
    b.trouble.request = async (verb, args) => {
      const { event } = (args[0] ?? {}) as { event?: { to?: string } }
      if (verb === 'write' && event?.to === 'executing') await b.inner.markAmnesia(mark)
      if (verb === 'write' && event?.to === 'recovering') throw unavailable()
    }
    const tool = b.tool({ recovery: keyed({ probe: ({ ref }: OrderInput) => b.downstream.find(ref) }) })
    await b.until(tool(input).catch(() => undefined))
    const record = b.record(tool, input)
    expect(record).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
    expect(record?.firstSendAt).toBeGreaterThan(0)
    b.trouble.request = () => undefined
    await b.until(b.guard.ledger.liftAmnesia())
    await b.until(b.guard.internals.tick())
    await settle()
    expect(b.record(tool, input)?.state).toBe('committed')
    expect(b.downstream.keys('a')).toEqual(['lost'])
  })
})

describe('a probe', () => {
  it('keeps the process alive while a caller waits for it', async () => {
    const b = bench()
    const tool = b.tool({ sends: 'checked', recovery: probing(b) })
    b.downstream.plan('a', 'lose-request')
    const call = tool(input, { onDoubt: 'wait' })
    await settle()
    expect(b.record(tool, input)?.state).toBe('recovering')
    expect(b.time.timers().filter(({ background }) => !background)).toHaveLength(1)
    expect(await b.until(call)).toEqual({ id: 1, ref: 'a' })
  })

  it('that finds nothing counts from before its recovery was asked of the ledger', async () => {
    const b = bench()
    const tool = await left(b, 'lose-request', { sends: 'checked', recovery: probing(b) })
    b.trouble.request = (verb, args) => {
      const { event } = (args[0] ?? {}) as { event?: { to?: string } }
      if (verb !== 'write' || event?.to !== 'recovering') return undefined
      return new Promise((resolve) => b.time.after(1_500, () => resolve(undefined)))
    }
    await b.until(b.guard.internals.tick())
    await b.time.advance(61_999)
    expect(b.record(tool, input)?.state).toBe('recovering')
    await b.time.advance(1)
    expect(b.record(tool, input)?.state).toBe('released')
  })

  it('that has ended leaves nothing that closing has to end', async () => {
    const b = bench()
    const tool = b.tool({ recovery: probing(b) })
    b.downstream.plan('a', 'lose-answer')
    await b.until(tool(input))
    await b.until(b.guard.close())
    expect(b.points.at(-1)).toBe('recovered')
  })

  it('is told no run where its first caller had none', async () => {
    const b = bench()
    const runs: unknown[] = []
    const probe = ({ ref }: OrderInput, { run }: ProbeContext): unknown => {
      runs.push(run)
      return b.downstream.find(ref)
    }
    const tool = b.tool({ recovery: probing(b, { probe }) })
    b.downstream.plan('a', 'lose-answer')
    await b.until(tool(input))
    expect(runs).toEqual([undefined])
  })

  it('waits no lease for an owner that is dead', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/1' })
    const options = { recovery: probing(a, { settleMs: 5_000 }), timeout: '10m' }
    b.tool(options)
    a.downstream.plan('a', 'lose-request')
    a.fault = (point) => (point === 'answered' ? new Promise<void>(() => undefined) : undefined)
    const tool = a.tool(options)
    void tool(input).catch(() => undefined)
    await settle()
    a.trouble.request = () => {
      throw unavailable()
    }
    a.time.stepStore(31_000)
    b.dead.add('host/boot/1/1')
    await b.until(b.guard.internals.tick())
    await b.until(b.guard.internals.tick())
    expect(a.record(tool, input)).toMatchObject({ state: 'recovering', reason: 'lease-over' })
    await b.time.advance(66_000)
    expect(a.record(tool, input)?.state).toBe('recovering')
    await b.time.advance(2_000)
    expect(a.record(tool, input)?.state).toBe('released')
  })

  it.each([
    ['loses its lease', 60_000],
    ['closes', 1_000],
  ])('is not asked again when its engine %s in between', async (what, quarantineMs) => {
    const [a, b] = await pair({ settings: { quarantineMs, sendGraceMs: 500 } })
    let asked = 0
    const probe = (): unknown => {
      asked += 1
      return { found: false }
    }
    const tool = await left(a, 'lose-request', { sends: 'checked', recovery: probing(a, { probe }) })
    await a.until(a.guard.internals.tick())
    await settle()
    const record = a.record(tool, input)
    expect([asked, record?.state]).toEqual([1, 'recovering'])
    if (what === 'closes') {
      await a.until(a.guard.close())
      await a.inner.open()
    } else {
      a.time.stepStore(31_000)
      await b.until(b.guard.internals.tick())
      await b.guard.ledger.resolve(record?.key ?? '', { verdict: 'abandoned', who: 'ada', note: 'n' })
      // Its own heartbeat tells it before the wait is over.
      await a.time.advance(70_000)
    }
    expect(asked).toBe(1)
    expect(a.record(tool, input)?.state).not.toBe('released')
  })

  it('may ask by any key that the operation was sent under, in its own generation', async () => {
    const b = bench()
    const names: string[] = []
    const probe = ({ ref }: OrderInput, context: ProbeContext): unknown => {
      names.push(context.downstreamKey(), context.downstreamKey('stripe', 'POST /orders'))
      return b.downstream.find(ref)
    }
    const tool = b.tool({ recovery: probing(b, { probe }) })
    b.downstream.plan('a', 'refuse', 'lose-answer')
    await refusalOf(b.until(tool(input)))
    const { key, record } = await b.until(tool.perform(input))
    expect(record?.generation).toBe(1)
    expect(names).toEqual([
      b.downstream.keys('a')[1],
      downstreamKey({ key, provider: 'stripe', operation: 'POST /orders', generation: 1 }),
    ])
  })

  it('of a large effect keeps its value as a call would', async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const tool = b.tool({ recovery: probing(b) })
    b.downstream.plan('a', 'lose-answer')
    await b.until(tool(input))
    expect(b.record(tool, input)?.outcome).toMatchObject({ kind: 'value', blob: true })
    expect(await b.until(tool.perform(input))).toMatchObject({ value: { id: 1, ref: 'a' }, replayed: true })
  })
})

describe('a probe’s "not found" for a tool whose sends pass no check', () => {
  const reset = (): never => {
    throw coded('ECONNRESET')
  }
  const hangs = (): Promise<never> => new Promise(() => undefined)

  it.each([
    ['a re-send still runs', [reset, hangs], 'in-doubt'],
    ['the first attempt still runs', [hangs, reset], 'in-doubt'],
    ['all have returned', [reset, reset], 'released'],
    ['the re-send was refused', [reset, () => Promise.reject(coded('DECLINED'))], 'released'],
  ])('where %s', async (_what, attempts, state) => {
    const b = bench({ settings: { recoveryBackoffMs: 60_000 } })
    let tries = 0
    const tool = b.tool({
      timeout: '10s',
      recovery: keyed({ windowMs: 150_000, probe: () => ({ found: false }) }),
      execute: (_given: OrderInput, context: ToolContext) => {
        context.downstreamKey() // one that asks for no key is not sent again
        return (attempts[tries++] ?? reset)()
      },
    })
    void tool(input).catch(() => undefined)
    // Sent again once; when that is due again, the window is closed.
    await b.time.advance(400_000)
    expect([tries, b.record(tool, input)?.state]).toEqual([2, state])
  })
})

describe('what is sent again', () => {
  it('has no run where its first caller had none', async () => {
    const b = bench()
    const runs: unknown[] = []
    const execute = (given: OrderInput, context: ToolContext): unknown => {
      runs.push(context.run)
      return b.downstream.send(given, context)
    }
    await b.until(doubting(b, 'lose-answer', { recovery: keyed(), execute })(input))
    expect(runs).toEqual([undefined, undefined])
  })

  it('starts its parts in the run of its first caller, marked as that run was', async () => {
    const b = bench()
    const child = b.tool({ name: 'child' })
    let tries = 0
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async (given: OrderInput) => {
        tries += 1
        if (tries === 1) throw coded('ECONNRESET')
        return await child(given)
      },
    })
    await b.guard.run({ session: 's' }, async (run) => {
      await b.until(parent(input))
      expect(b.record(child, input)).toMatchObject({ run: run.id, session: 's', unanchored: true })
    })
    await b.guard.run({ id: 'r' }, async () => {
      tries = 0
      await b.until(parent({ ref: 'b' }))
    })
    expect(b.record(child, { ref: 'b' })).toMatchObject({ run: 'r', session: undefined, unanchored: false })
  })
})
