import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import type { OperationRecord } from '../../src/engine/index.ts'
import { bench, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { doubts, keyed, pair, probing } from './corners.ts'

const input = { ref: 'a' }

describe('recovery', () => {
  async function doubted(a: Bench, recovery: object, tools: object = {}) {
    const tool = a.tool({ recovery, ...tools })
    a.downstream.plan('a', 'lose-answer')
    await a.until(tool.perform(input, { onDoubt: 'return', waitMs: 0 })).catch(() => undefined)
    return tool
  }
  const answering = (b: Bench): { hold: () => void; go: () => void; probe: () => Promise<unknown> } => {
    let open = Promise.resolve()
    let go = (): void => {}
    return {
      hold: () => void (open = new Promise<void>((resolve) => (go = resolve))),
      go: () => go(),
      probe: () => open.then(() => b.downstream.find('a')),
    }
  }

  it('is one of two that begin at the same moment', async () => {
    const [a, b] = await pair()
    const asked = answering(a)
    asked.hold()
    const tool = a.tool({ recovery: probing(a, { probe: asked.probe }) })
    const elsewhere = b.tool({ recovery: probing(b) })
    a.downstream.plan('a', 'lose-answer')
    const first = a.until(tool.perform(input, { waitMs: 60_000 }))
    await a.time.advance(10)
    expect(a.record(tool, input)?.state).toBe('recovering')
    const second = elsewhere.perform(input, { waitMs: 60_000 })
    await b.time.advance(10)
    asked.go()
    expect(await first).toMatchObject({ status: 'committed' })
    expect(await b.until(second)).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('sends the input again as it was, bigints and all, also what `prepare` made of it', async () => {
    for (const prepare of [undefined, ({ ref }: OrderInput) => ({ ref, cents: 7n, ids: [2n ** 60n] })]) {
      const b = bench()
      const seen: unknown[] = []
      const tool = b.tool({
        recovery: keyed(),
        ...(prepare === undefined ? {} : { prepare }),
        execute: (given: OrderInput, context: ToolContext) => {
          seen.push(given)
          return b.downstream.send(given, context)
        },
      })
      b.downstream.plan('a', 'lose-answer')
      const given = { ref: 'a', cents: 5n, ids: [2n ** 60n] }
      await b.until(tool(given))
      const sent = prepare === undefined ? given : { ...given, cents: 7n }
      expect(seen).toEqual([sent, sent])
      expect(b.downstream.effects('a')).toBe(1)
    }
  })

  it('that loses a race for the record looks again', async () => {
    const [a, b] = await pair()
    const tool = a.tool({ recovery: probing(a) })
    const elsewhere = b.tool({ recovery: probing(b) })
    a.downstream.plan('a', 'lose-answer')
    let met = false
    a.trouble.request = async (verb, args) => {
      const { draft } = (args[0] ?? {}) as { draft?: { state?: string } }
      if (verb !== 'write' || draft?.state !== 'recovering' || met) return
      met = true
      await b.until(elsewhere(input))
    }
    expect(await a.until(tool.perform(input))).toMatchObject({ status: 'committed' })
    expect(a.downstream.effects('a')).toBe(1)
    expect([a, b].map(({ points }) => points.includes('probed'))).toEqual([false, true])
  })

  it.each([
    ['found', true],
    ['not known', false],
  ])('whose lease is over when its probe says %s is overtaken', async (_what, found) => {
    const [a, b] = await pair()
    b.tool({ recovery: { class: 'manual' } })
    let met = false
    const tool = a.tool({
      recovery: probing(a, {
        probe: async () => {
          if (!met) a.time.pause(60_000)
          met = true
          await b.guard.internals.tick()
          return found ? a.downstream.find('a') : { found: 'unknown' }
        },
      }),
    })
    a.downstream.plan('a', 'lose-answer')
    await a.until(tool.perform(input, { waitMs: 600_000 })).catch(() => undefined)
    const steps = await a.history(a.record(tool, input)?.key ?? '')
    expect(steps.slice(0, 4)).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T14 recovering>in-doubt',
    ])
    expect(a.record(tool, input)?.state).toBe(found ? 'committed' : 'in-doubt')
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('whose window closed between the look and the send gives up', async () => {
    const b = bench()
    let met = false
    b.trouble.request = async (verb, args) => {
      const { key, event } = (args[0] ?? {}) as { key: string; event?: { transition?: string } }
      if (verb !== 'write' || event?.transition !== 'T13' || met) return
      met = true
      b.time.stepStore(2 * 86_400_000)
      // A beat of this very attempt: the send is judged anew, at the time that it is by now.
      const { createdAt: _since, updatedAt: _at, leaseUntil: _until, revision, ...draft } = b.recordOf(key) as OperationRecord // prettier-ignore
      await b.inner.write({
        key,
        tenant: 'default',
        expect: revision,
        draft: { ...draft, leaseMs: 30_000 } as never,
        event: { ...event, transition: 'heartbeat' } as never,
      })
    }
    const tool = await doubted(b, keyed())
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'window-closed' })
    expect(b.downstream.keys('a')).toHaveLength(1)
  })

  it('whose record somebody else has before it sends again sends nothing', async () => {
    const [a, b] = await pair()
    let met = false
    a.fault = async (point) => {
      if (point !== 'before-resend' || met) return
      met = true
      a.time.pause(60_000)
      await b.guard.internals.tick()
      const [record] = (await b.guard.ledger.list()).records
      await b.guard.ledger.resolve(record?.key ?? '', { verdict: 'abandoned', who: 'me', note: 'n' })
    }
    await doubted(a, keyed())
    expect(a.downstream.keys('a')).toHaveLength(1)
  })

  it('does not believe an absence while an earlier owner of several sends may live', async () => {
    const b = bench()
    b.dead.add('host/boot/1/1')
    const tool = b.tool({ timeout: '5s', recovery: keyed({ windowMs: 200_000, probe: () => ({ found: false }) }) })
    b.downstream.plan('a', ...Array.from({ length: 60 }, () => 'hold' as const))
    await b.until(tool.perform(input, { waitMs: 600_000 })).catch(() => undefined)
    await b.time.advance(600_000)
    const record = b.record(tool, input) as OperationRecord
    expect(record.openSends).toBeGreaterThan(1)
    expect(record.state).toBe('in-doubt')
    expect(record.evidence.at(-1)?.what).toBe('not found, but an earlier owner may still send')
  })

  it('whose absence comes too late changes nothing', async () => {
    const [a, b] = await pair()
    let asked = 0
    const tool = a.tool({
      sends: 'checked',
      recovery: probing(a, {
        probe: async () => {
          asked += 1
          if (asked === 2) {
            a.time.pause(60_000)
            await b.guard.internals.tick()
          }
          return { found: false }
        },
      }),
    })
    a.downstream.plan('a', 'lose-request')
    await a.until(tool.perform(input, { waitMs: 200_000 })).catch(() => undefined)
    const steps = (await a.history(a.record(tool, input)?.key ?? '')).filter((step) => !step.startsWith('heartbeat'))
    expect(steps.slice(2, 4)).toEqual(['T10 in-doubt>recovering', 'T14 recovering>in-doubt'])
  })

  it('ends with its engine while it waits', async () => {
    const b = bench()
    const tool = b.tool({ sends: 'checked', recovery: probing(b) })
    b.downstream.plan('a', 'lose-request')
    void tool.perform(input, { waitMs: 600_000 }).catch(() => undefined)
    await b.time.advance(1_000)
    expect(b.record(tool, input)?.state).toBe('recovering')
    const closed = b.guard.close()
    await b.time.advance(100_000)
    await closed
    await b.inner.open()
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'shutdown' })
  })

  it('is told the run that first asked', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      recovery: probing(b, {
        probe: ({ ref }: OrderInput, context: { run: unknown }) => {
          seen.push(context.run)
          return b.downstream.find(ref)
        },
      }),
    })
    b.downstream.plan('a', 'lose-answer')
    await b.until(b.guard.run({ id: 'r', session: 's' }, () => tool(input)))
    expect(seen).toEqual([{ id: 'r', tenant: 'default', session: 's' }])
  })

  it('after a loss of a tool that is manual by now is a person’s', async () => {
    const a = bench()
    await a.until(a.guard.open())
    await a.inner.markAmnesia({ at: a.time.storeMs(), lossFrom: 0, why: 'told' })
    await a.until(a.guard.internals.tick())
    const tool = a.tool({ recovery: probing(a) })
    a.trouble.request = (verb, args) => {
      const { draft } = (args[0] ?? {}) as { draft?: { state?: string } }
      if (verb === 'write' && draft?.state === 'recovering') throw unavailable()
    }
    await a.until(tool(input)).catch(() => undefined)
    a.trouble.request = () => new Promise<void>(() => undefined)
    expect(a.record(tool, input)).toMatchObject({ reason: 'amnesia' })
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    b.tool()
    await b.until(b.guard.internals.tick())
    await b.time.advance(60_000)
    expect(a.record(tool, input)?.evidence.map(({ what }) => what)).toContain('manual tools are not recovered by the engine') // prettier-ignore
    expect(a.record(tool, input)?.reason).toBe('recovery-failed')
    expect(a.downstream.effects('a')).toBe(0)
  })

  it('is spoken of as it is', async () => {
    const { recoversByItself } = await import('../../src/engine/index.ts')
    const [a] = await pair()
    const tool = await doubted(a, { class: 'manual' })
    const record = a.record(tool, input) as OperationRecord
    expect(recoversByItself(record, undefined)).toBe(false)
    expect(recoversByItself({ ...record, state: 'recovering' }, undefined)).toBe(true)
  })
})

describe('verification', () => {
  it('is left alone where the tool has no verify any more', async () => {
    const a = bench()
    const { key } = await a.until(a.tool({ verify: () => undefined }).perform(input))
    a.trouble.request = () => new Promise<void>(() => undefined)
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const tool = b.tool()
    await b.until(b.guard.open())
    await b.time.advance(60_000)
    expect(b.record(tool, input)?.state).toBe('accepted')
    expect(await b.history(key)).toEqual(["T1' absent>executing", 'T20 executing>accepted'])
  })

  it('is one of two that begin at the same moment', async () => {
    const [a, b] = await pair()
    let asked = 0
    const verify = (): boolean => (asked += 1) > 0
    await a.until(a.tool({ verify }).perform(input))
    b.tool({ verify })
    let met = false
    a.trouble.request = async (verb, args) => {
      const { event } = (args[0] ?? {}) as { event?: { transition?: string } }
      if (verb !== 'write' || event?.transition !== 'T20' || met) return
      met = true
      await b.guard.internals.tick()
      await settle()
    }
    await a.until(a.guard.internals.tick())
    await a.time.advance(100)
    expect(asked).toBe(1)
  })

  it('of a lost answer is a doubt once, by whoever is first', async () => {
    const [a, b] = await pair({ settings: { inlineResultBytes: 10 } })
    const tool = a.tool({ verify: () => true })
    await a.until(tool.perform(input))
    b.tool({ verify: () => true })
    let met = false
    a.trouble.answer = (verb) => (verb === 'getBlob' ? Uint8Array.of(1) : undefined)
    b.trouble.answer = a.trouble.answer
    a.trouble.request = async (verb) => {
      if (verb !== 'getBlob' || met) return
      met = true
      a.time.pause(60_000)
      await b.guard.internals.tick()
      await settle()
      await settle()
    }
    await a.until(a.guard.internals.tick())
    await a.time.advance(100)
    expect([...doubts(a), ...doubts(b)]).toEqual(['verification-failed'])
    expect(a.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
  })
})
