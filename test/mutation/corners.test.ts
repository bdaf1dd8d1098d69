import { describe, expect, it } from 'vitest'
import type { Contract, ToolContext } from '../../src/contract/index.ts'
import { createGuard, Question, type OperationRecord, type Processes } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import {
  bench,
  coded,
  contractOf,
  facts,
  refusalOf,
  settle,
  unavailable,
  type Bench,
  type OrderInput,
} from './bench.ts'
import { underMutation } from './under-mutation.ts'

const input = { ref: 'a' }
const alarms = (b: Bench): unknown[] => b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)
const doubts = (b: Bench): unknown[] => b.events.filter(({ name }) => name === 'doubt').map(({ reason }) => reason)
const unsafe = (): OnefoldError => new OnefoldError('STORE_UNSAFE', 'broken')
const probing = (b: Bench, change: object = {}) => ({
  class: 'probe',
  settleMs: 0,
  probe: ({ ref }: OrderInput) => b.downstream.find(ref),
  ...change,
})
const keyed = (change: object = {}) => ({ class: 'keyed', windowMs: 86_400_000, settleMs: 0, ...change })

/** Two engines on one ledger, the second open. */
async function pair(options: object = {}): Promise<readonly [Bench, Bench]> {
  const a = bench(options)
  const b = bench({ beside: a, self: 'host/boot/2/2' })
  await b.until(b.guard.open())
  return [a, b]
}

describe('a claim', () => {
  it('whose marker comes after another engine took it over is overtaken', async () => {
    const [a, b] = await pair()
    const there = b.tool()
    let wake = (): void => {}
    const elsewhere = new Promise<void>((resolve) => (wake = resolve)).then(() => b.until(there(input)))
    const here = a.tool({
      prepare: async () => {
        // The store's clock alone: by its own, this engine still holds its lease.
        a.time.stepStore(60_000)
        wake()
        await elsewhere
      },
    })
    expect(await a.until(here.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('on what was refused before is overtaken by another engine that claims it first', async () => {
    const [a, b] = await pair()
    const tool = a.tool()
    const there = b.tool()
    a.downstream.plan('a', 'refuse')
    await refusalOf(a.until(tool(input)))
    let met = false
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || met) return
      met = true
      await b.until(there(input))
    }
    expect(await a.until(tool.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('is not taken back by an engine that has closed', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(b.guard.open())
    let lost = false
    b.trouble.answer = (verb) => {
      if (verb === 'write' && !lost) {
        lost = true
        b.trouble.request = () => {
          throw unavailable()
        }
        throw unavailable()
      }
    }
    await refusalOf(b.until(tool(input)))
    const closed = b.guard.close().catch(() => undefined)
    await b.time.advance(10_000)
    await closed
    b.trouble.request = () => undefined
    await b.time.advance(60_000)
    await b.inner.open()
    expect(b.record(tool, input)?.state).toBe('executing')
  })

  it('whose doubt after a loss comes too late tells nothing', async () => {
    const [a, b] = await pair()
    const tool = a.tool()
    let writes = 0
    a.trouble.answer = (verb, _args, answer) =>
      verb === 'write' && (writes += 1) === 1 ? { ...(answer as object), sequence: -1 } : undefined
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || writes !== 1) return
      writes += 1
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    await refusalOf(a.until(tool(input)))
    expect(doubts(a)).not.toContain('amnesia')
    expect(a.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
  })
})

describe('another version of a tool', () => {
  it('is not answered by the record of the old one, unless it says so', async () => {
    const a = bench()
    await a.until(a.tool()(input))
    const b = bench({ beside: a })
    const error = await refusalOf(b.until(b.tool({ version: 2 })(input)))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED' })
    const c = bench({ beside: a })
    const tool = c.tool({ version: 2, replaysFrom: [1] })
    expect(await c.until(tool.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })
})

describe('several calls', () => {
  it('with other values while another engine prepares wait for what comes of it', async () => {
    const [a, b] = await pair()
    let go = (): void => {}
    const there = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const tool = a.tool()
    const first = there({ ref: 'a', amount: 1 })
    await settle()
    const same = tool.perform({ ref: 'a', amount: 1 })
    await a.time.advance(10)
    const other = refusalOf(tool.perform({ ref: 'a', amount: 2 }))
    await a.time.advance(10)
    go()
    await b.until(first)
    expect(await a.until(same)).toMatchObject({ status: 'committed', replayed: true })
    expect(facts(await a.until(other))).toMatchObject({ code: 'KEY_REUSED' })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('one that joins as the last of the others leaves hears that it still runs elsewhere', async () => {
    const [a, b] = await pair()
    const there = b.tool({ prepare: () => new Promise<void>(() => undefined) })
    void there(input).catch(() => undefined)
    await settle()
    const tool = a.tool()
    const controller = new AbortController()
    const first = refusalOf(tool.perform(input, { signal: controller.signal }))
    await a.time.advance(10)
    controller.abort()
    await settle()
    const second = refusalOf(tool.perform(input))
    expect(facts(await a.until(first))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(facts(await a.until(second))).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown' })
    expect(a.downstream.effects('a')).toBe(0)
  })

  it('one that left while it waited for another round has not begun', async () => {
    const b = bench()
    let answer = (): void => {}
    let sent = 0
    const tool = b.tool({
      execute: async (given: OrderInput, context: ToolContext) => {
        sent += 1
        if (sent > 1) return await b.downstream.send(given, context)
        await new Promise<void>((resolve) => (answer = resolve))
        return new Question({ ask: 1 })
      },
    })
    const first = tool.perform(input)
    const controller = new AbortController()
    const second = refusalOf(tool.perform(input, { round: 'x', signal: controller.signal }))
    await settle()
    controller.abort()
    answer()
    await b.until(first)
    expect(facts(await b.until(second))).toMatchObject({ code: 'CANCELLED' })
  })

  it('are counted where nobody listens', async () => {
    const b = bench()
    const guard = b.guard.internals.twin((options) => options)
    await b.until(guard.once('k', () => 1))
    await b.until(guard.once('k', () => 2))
    await b.until(guard.internals.tick())
    const [record] = (await guard.ledger.list()).records
    expect((await guard.ledger.show(record?.key ?? '')).history.at(-1)).toMatchObject({ transition: 'duplicate', why: 'replayed × 1' }) // prettier-ignore
  })

  it('a refusal that the ledger refuses to take is told as what it is', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'refuse')
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw unsafe()
    }
    expect(facts(await refusalOf(b.until(tool(input))))).toMatchObject({ code: 'STORE_UNSAFE' })
  })

  it('a success that the ledger refuses to take is told as what it is, also later', async () => {
    const b = bench()
    const tool = b.tool()
    let away = unsafe
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw away()
    }
    expect(facts(await refusalOf(b.until(tool(input))))).toMatchObject({ code: 'STORE_UNSAFE' })
    away = unavailable
    expect(await b.until(tool.perform({ ref: 'b' }).catch((error: unknown) => error))).toBeInstanceOf(OnefoldError)
    const c = bench()
    const other = c.tool()
    away = unavailable
    c.trouble.request = (verb) => {
      if (verb === 'write' && c.points.includes('answered')) throw away()
    }
    expect(await c.until(other.perform(input))).toMatchObject({ status: 'committed', recorded: false })
    away = unsafe
    await c.time.advance(5_000)
    expect(alarms(c)).toContain('broken')
  })
})

describe('a later round', () => {
  it('without a name is sent where only named ones came before', async () => {
    const b = bench()
    let sent = 0
    const tool = b.tool({
      execute: async (given: OrderInput, context: ToolContext) =>
        (sent += 1) === 1 ? new Question({ ask: 1 }) : await b.downstream.send(given, context),
    })
    await b.until(tool.perform(input, { round: 'x' }))
    expect(b.record(tool, input)?.evidence.map(({ what }) => what)).toEqual(['round x was sent'])
    expect(await b.until(tool.perform(input))).toMatchObject({ status: 'committed' })
    expect([sent, b.downstream.effects('a')]).toEqual([2, 1])
  })

  it('that was sent and then settled by a person over its head is told as their word', async () => {
    const [a, b] = await pair()
    let sent = 0
    const tool = a.tool({
      execute: () => {
        sent += 1
        if (sent === 1) return new Question({ ask: 1 })
        throw coded('DECLINED')
      },
    })
    const { key } = await a.until(tool.perform(input))
    a.fault = async (point) => {
      if (point !== 'answered') return
      a.time.pause(120_000)
      await b.guard.internals.tick()
      await b.guard.ledger.resolve(key, { verdict: 'abandoned', who: 'me', note: 'n' })
    }
    const error = await refusalOf(a.until(tool.perform(input, { round: 'x' })))
    expect(facts(error)).toMatchObject({ effect: 'unknown' })
    expect(a.record(tool, input)?.state).toBe('abandoned')
  })

  it('that cannot say it lost its evidence, since somebody doubted it first, tells nothing', async () => {
    const [a, b] = await pair()
    const tool = a.tool({ execute: () => new Question({ ask: 1 }) })
    await a.until(tool.perform(input))
    let writes = 0
    a.trouble.answer = (verb, _args, answer) =>
      verb === 'write' && (writes += 1) === 1 ? { ...(answer as object), sequence: -1 } : undefined
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || writes !== 1) return
      writes += 1
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    await refusalOf(a.until(tool.perform(input, { round: 'x' })))
    expect(doubts(a)).toEqual([])
    expect(a.record(tool, input)?.reason).toBe('lease-over')
  })
})

describe('a compensation and a saga', () => {
  it('of what a person settled without a result is given none', async () => {
    const b = bench()
    const undone: unknown[] = []
    const tool = b.tool({ compensate: (value: unknown) => void undone.push(value) })
    b.downstream.plan('a', 'lose-answer')
    const { key } = await refusalOf(b.until(tool(input)))
    await b.guard.ledger.resolve(key ?? '', { verdict: 'committed', who: 'me', note: 'n' })
    await b.until(tool.compensate(input))
    expect(undone).toEqual([undefined])
    const saga = b.guard.saga<{ ref: string }>('s', [
      { tool, input: ({ ref }) => ({ ref }) },
      { tool: b.tool({ name: 'ship' }), input: () => ({ ref: 'ship' }) },
    ])
    b.downstream.plan('b', 'lose-answer')
    b.downstream.plan('ship', 'refuse')
    await refusalOf(b.until(saga({ ref: 'b' })))
    const doubt = (await b.guard.ledger.list({ states: ['in-doubt'] })).records.find(({ tool: name }) => name === 'place_order') // prettier-ignore
    await b.guard.ledger.resolve(doubt?.key ?? '', { verdict: 'committed', who: 'me', note: 'n' })
    await b.time.advance(60_000)
    expect(await b.until(saga({ ref: 'b' }))).toMatchObject({ status: 'undone', failed: 'ship' })
    expect(undone).toEqual([undefined, undefined])
  })

  it('whose steps changed since its verdict goes no further, either way', async () => {
    const [a, b] = await pair()
    const steps = (on: Bench) => [
      { tool: on.tool({ name: 'one' }), input: () => ({ ref: 'one' }), undo: { tool: on.tool({ name: 'undo' }), input: () => ({ ref: 'undo' }) } }, // prettier-ignore
      { tool: on.tool({ name: 'two' }), input: () => ({ ref: 'two' }) },
    ]
    a.downstream.plan('two', 'refuse')
    a.downstream.plan('undo', 'hold')
    void a.guard
      .saga(
        's',
        steps(a),
      )({})
      .catch(() => undefined)
    await a.time.advance(10)
    a.trouble.request = () => new Promise<void>(() => undefined)
    a.dead.add('host/boot/1/1')
    b.dead.add('host/boot/1/1')
    const saga = b.guard.saga('s', steps(b).slice(0, 1))
    await b.time.advance(31_000)
    const undo = (await b.guard.ledger.list({ tool: 'undo' })).records[0]
    await b.guard.ledger.resolve(undo?.key ?? '', { verdict: 'committed', who: 'me', note: 'n' })
    expect(facts(await refusalOf(b.until(saga({}, { waitMs: 120_000 }))))).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.downstream.log).toEqual(['one:ok', 'two:refuse', 'undo:hold'])
  })
})

describe('runs', () => {
  it('carry the operation that hands work on, and its parts get places of their own', async () => {
    const { carryRun, runFrom } = await import('../../src/engine/index.ts')
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const carriers: Readonly<Record<string, string>>[] = []
    let left: () => object = () => ({})
    const outer = a.tool({
      execute: () => {
        left = () => carryRun()
        carriers.push(carryRun(), carryRun('meta'))
        return 'handed on'
      },
    })
    const { key, record } = await a.until(a.guard.run({ id: 'r' }, () => outer.perform(input)))
    expect(carriers[0]?.['onefold-parent']).toBe(`${key}/${record?.fence}/0`)
    expect(runFrom(carriers[1] ?? {}).parent).toEqual({ key, fence: record?.fence, ordinal: 1 })
    const part = b.tool({ name: 'part', scope: 'parent' })
    const first = await b.until(b.guard.run(runFrom(carriers[0] ?? {}), () => b.guard.run({}, () => part.perform({ ref: 'p' })))) // prettier-ignore
    expect(first.record?.parent).toEqual({ key, fence: record?.fence, ordinal: 0 })
    const inner = b.tool()
    const error = await refusalOf(b.until(b.guard.run(runFrom(carriers[0] ?? {}), () => inner(input))))
    expect(facts(error)).toMatchObject({ code: 'RECURSIVE_OPERATION', effect: 'none' })
    expect(left()).toEqual({})
    const text = carriers[0]?.['onefold-parent'] ?? ''
    for (const wrong of ['', 'x', `${text}/1`, `${key}/x/0`, `${key}/1/-1`, `${key}/1`, `${key}//0`])
      expect(runFrom({ 'onefold-parent': wrong })).toEqual({})
  })

  it('have receipts of any length, which say what runs and leave out what is the package’s own', async () => {
    const b = bench()
    const tool = b.tool()
    const own: Contract = b.guard.internals.register(contractOf({ name: 'onefold.own', execute: () => 1 }))
    const waiting = b.tool({ name: 'waiting', prepare: () => new Promise<void>(() => undefined) })
    const receipt = await b.until(
      b.guard.run({ id: 'r' }, async (run) => {
        for (let n = 0; n < 120; n += 1) await tool({ ref: `r${n}` })
        await b.guard.internals.perform(own, { ref: 'own' })
        void waiting({ ref: 'w' }).catch(() => undefined)
        await settle()
        return await run.receipt()
      }),
    )
    expect(receipt.committed).toHaveLength(120)
    expect(receipt.running).toMatchObject([{ tool: 'waiting', state: 'claimed' }])
    const later = bench({ beside: b })
    const again = await later.until(later.guard.run({ id: 'r' }, (run) => run.receipt()))
    expect([again.committed.length, again.running.length]).toEqual([120, 1])
  })
})

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
  })

  it.each([
    ['found', true],
    ['not known', false],
  ])('whose lease is over when its probe says %s is overtaken', async (_what, found) => {
    const [a, b] = await pair()
    b.tool({ recovery: { class: 'manual' } })
    const tool = a.tool({
      recovery: probing(a, {
        probe: async () => {
          a.time.pause(60_000)
          await b.guard.internals.tick()
          return found ? a.downstream.find('a') : { found: 'unknown' }
        },
      }),
    })
    a.downstream.plan('a', 'lose-answer')
    await a.until(tool.perform(input, { waitMs: 60_000 })).catch(() => undefined)
    const steps = await a.history(a.record(tool, input)?.key ?? '')
    expect(steps.slice(0, 4)).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T14 recovering>in-doubt',
    ])
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
    await a.until(a.tool({ verify: () => undefined }).perform(input))
    a.trouble.request = () => new Promise<void>(() => undefined)
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const tool = b.tool()
    await b.until(b.guard.open())
    await b.time.advance(60_000)
    expect(b.record(tool, input)?.state).toBe('accepted')
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

describe('housekeeping', () => {
  it('tells of what is thrown and is no error', async () => {
    const b = bench()
    await b.until(b.guard.open())
    b.spool.drain = () => {
      // oxlint-disable-next-line typescript/only-throw-error -- a spool may
      throw 'full'
    }
    await b.time.advance(1_500)
    expect(alarms(b)).toContain('housekeeping failed: full')
  })

  it('tells of a recovery that fails for something that is no error', async () => {
    const a = bench()
    a.downstream.plan('a', 'lose-answer')
    const processes: Processes = {
      self: 'host/boot/2/2',
      isDead: () => {
        // oxlint-disable-next-line typescript/only-throw-error -- a port may
        throw 'no proc'
      },
    }
    await a
      .until(a.tool({ recovery: probing(a) }).perform(input, { waitMs: 0, onDoubt: 'return' }))
      .catch(() => undefined)
    const c = bench()
    const tool = c.tool({ recovery: probing(c, { probe: () => ({ found: 'unknown' }) }) })
    c.downstream.plan('a', 'lose-answer')
    await refusalOf(c.until(tool(input)))
    await c.until(c.guard.close())
    const b = bench({ beside: c, processes })
    b.tool({ recovery: probing(b) })
    await b.until(b.guard.open())
    await b.time.advance(60_000)
    expect(alarms(b)).toContain('recovery failed: no proc')
  })

  it('ends a turn whose operation never began, also under a mark of a loss', async () => {
    const [a, b] = await pair()
    const tool = a.tool({ exclusive: ['account'], timeout: '1s' })
    let turn = false
    a.trouble.answer = (verb) => {
      if (verb !== 'write' || turn) return
      turn = true
      a.trouble.request = () => new Promise<void>(() => undefined)
    }
    void tool({ ref: 'a', account: 'x' }).catch(() => undefined)
    await settle()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'told' })
    await b.time.advance(60_000)
    const [record] = (await b.guard.ledger.list({ tool: 'exclusive' })).records
    expect(record?.state).toBe('released')
  })

  it('stops in the middle of a page when the engine closes', async () => {
    const b = bench()
    const tool = b.tool()
    for (const ref of ['a', 'b', 'c']) {
      b.downstream.plan(ref, 'hold')
      void tool({ ref }).catch(() => undefined)
    }
    await settle()
    const c = bench({ beside: b, self: 'host/boot/2/2' })
    await c.until(c.guard.open())
    b.trouble.request = () => new Promise<void>(() => undefined)
    c.time.pause(60_000)
    let writes = 0
    c.trouble.request = (verb) => {
      if (verb === 'write' && (writes += 1) === 1) void c.guard.close()
    }
    await c.guard.internals.tick().catch(() => undefined)
    expect(writes).toBe(1)
  })

  it('stops retiring in the middle of a page when the engine closes', async () => {
    const b = bench()
    const tool = b.tool()
    for (const ref of ['a', 'b', 'c']) await b.until(tool({ ref }))
    b.time.pause(400 * 86_400_000)
    let expired = 0
    b.trouble.request = (verb, args) => {
      const { event } = (args[0] ?? {}) as { event?: { transition?: string } }
      if (verb === 'write' && event?.transition === 'T17' && (expired += 1) === 1) void b.guard.close()
    }
    await b.time.advance(60_000)
    expect(expired).toBe(1)
  })

  it('a beat that comes back refused after its attempt has ended changes nothing', async () => {
    const [a, b] = await pair()
    const tool = a.tool({ timeout: '10m' })
    a.downstream.plan('a', 'hold')
    const call = tool.perform(input)
    call.catch(() => undefined)
    await settle()
    let beat = (): void => {}
    a.trouble.request = (verb, args) => {
      const { event } = (args[0] ?? {}) as { event?: { transition?: string } }
      if (verb === 'write' && event?.transition === 'heartbeat') return new Promise<void>((resolve) => (beat = resolve))
    }
    await a.time.advance(10_100)
    a.downstream.release('a')
    expect(await a.until(call)).toMatchObject({ status: 'committed', recorded: true })
    beat()
    await settle()
    expect(a.record(tool, input)?.state).toBe('committed')
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('an engine that closes while it opens stays closed', async () => {
    const b = bench()
    let open = (): void => {}
    b.trouble.request = (verb) => (verb === 'open' ? new Promise<void>((resolve) => (open = resolve)) : undefined)
    const opening = b.guard.open().catch(() => undefined)
    await settle()
    await b.guard.close()
    open()
    await opening
    await settle()
    expect(b.time.timers()).toEqual([])
  })

  it('counts duplicates of ten thousand operations, and of none that is gone', { timeout: 60_000 }, async () => {
    const { createDuplicateNotes } = await import('../../src/engine/duplicates.ts')
    const notes = createDuplicateNotes()
    const many = underMutation ? 10 : 10_001
    for (let n = 0; n < many; n += 1) notes.add({ key: `k${n}`, tenant: 't' } as never, 'replayed')
    const noted: string[] = []
    await notes.flush({
      journal: {
        read: (key: string) => ({ record: key === 'k0' ? undefined : {}, now: 0 }),
        withDeadline: (work: unknown) => work,
        store: { note: (key: string) => void noted.push(key) },
      },
      processes: { self: 'me' },
    } as never)
    expect(noted).toHaveLength(underMutation ? 9 : 9_999)
    expect(noted).not.toContain('k0')
  })

  it('knows ten thousand undeclared tools’ calls', { timeout: 60_000 }, async () => {
    if (underMutation) return
    const { createUndeclared } = await import('../../src/engine/undeclared.ts')
    let read = 0
    const performer = {
      name: (_contract: unknown, key: string, { occurrence }: { occurrence: number }) => ({ key: `${key}/${occurrence}`, tenant: 't', descriptor: {} }), // prettier-ignore
      perform: async () => ({}),
    }
    const records = new Map([['r0/1', { state: 'expired' }]])
    const core = {
      journal: { read: (key: string) => ((read += 1), { record: records.get(key), now: 0 }) },
      emitter: { emit: () => undefined },
    }
    const undeclared = createUndeclared(core as never, performer as never)
    const call = (key: string) => undeclared.perform({} as never, key, { afterDelivery: 'run', afterError: 'hold' })
    await call('r0')
    expect(read).toBe(2)
    read = 0
    await call('r0')
    expect(read).toBe(1)
    for (let n = 1; n <= 10_000; n += 1) await call(`r${n}`)
    read = 0
    await call('r0')
    expect(read).toBe(2)
  })

  it('keeps what a background task throws as an alarm, whatever it throws', async () => {
    const { inBackground } = await import('../../src/engine/core.ts')
    const told: unknown[] = []
    const core = { emitter: { emit: (_name: string, event: unknown) => told.push(event) }, background: new Set() }
    const about = { key: 'k', tenant: 't', tool: 'x', run: 'r' }
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a task may
    inBackground(core as never, about as never, Promise.reject('so'))
    inBackground(core as never, about as never, Promise.reject(new Error('it is')))
    expect(core.background.size).toBe(2)
    await settle()
    expect(told).toEqual([
      { ...about, message: 'so' },
      { ...about, message: 'it is' },
    ])
    expect(core.background.size).toBe(0)
  })
})

describe('a store', () => {
  it('that refuses a class refuses the tool', () => {
    const b = bench()
    const store = { ...b.inner, refuses: (recovery: string) => (recovery === 'keyed' ? 'its clock is off' : undefined) }
    const guard = b.guard.internals.twin((options) => ({ ...options, store }))
    const options = { name: 'x', input: contractInput, effect: 'write', identity: 'all', execute: () => undefined }
    expect(() => guard.tool({ ...options, recovery: keyed() } as never)).toThrow(/its clock is off/)
    expect(() => guard.tool({ ...options, recovery: { class: 'manual' } } as never)).not.toThrow()
    expect(() => guard.tool({ ...options, name: 'y', effect: 'read', identity: undefined } as never)).not.toThrow()
    expect(typeof createGuard).toBe('function')
  })

  it('a doubt that is gone when a person settles it is told as it was found', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const { key } = await refusalOf(b.until(tool(input)))
    let reads = 0
    b.trouble.answer = (verb) => (verb === 'read' && (reads += 1) === 2 ? { record: undefined, now: 0 } : undefined)
    const error = await refusalOf(b.guard.ledger.resolve(key ?? '', { verdict: 'abandoned', who: 'me', note: 'n' }))
    expect(facts(error)).toMatchObject({ code: 'HELD', key, details: { state: 'in-doubt', refusal: 'state' } })
  })
})

describe('turns', () => {
  const order = (ref: string): OrderInput => ({ ref, account: 'x' })

  it('are of a key that a secret made, where there is one', async () => {
    const a = bench()
    const b = bench({ keySecret: 's' })
    for (const each of [a, b]) await each.until(each.tool({ exclusive: ['account'] })(order('a')))
    const keyOf = async (each: Bench) => (await each.guard.ledger.list({ tool: 'exclusive' })).records[0]?.key
    expect(await keyOf(a)).not.toBe(await keyOf(b))
  })

  it('wait for an operation that prepares, and name it', async () => {
    const b = bench()
    const tool = b.tool({ exclusive: ['account'], prepare: (given: OrderInput) => (given.ref === 'a' ? new Promise<void>(() => undefined) : undefined) }) // prettier-ignore
    const c = bench({ beside: b, self: 'host/boot/2/2' })
    const same = c.tool({ exclusive: ['account'] })
    void tool(order('a')).catch(() => undefined)
    await settle()
    const first = b.guard.internals.name(tool.contract, order('a')).key
    const error = await refusalOf(c.until(same(order('b'), { waitMs: 120_000 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'none', ticket: first.slice(4, 16) })
    expect(c.downstream.effects('b')).toBe(0)
  })

  it('that vanish while their own operation goes on are nobody’s', async () => {
    const b = bench()
    const tool = b.tool({ exclusive: ['account'], execute: () => new Question({ ask: 1 }) })
    await b.until(tool.perform(order('a')))
    b.trouble.answer = (verb, args, answer) => {
      const { event } = (args[0] ?? {}) as { event?: { transition?: string } }
      if (verb !== 'write' || event?.transition !== 'heartbeat') return undefined
      b.time.pause(120_000)
      return { ...(answer as object), applied: false, record: undefined }
    }
    const error = await refusalOf(b.until(tool.perform(order('a'), { round: 'x' })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', ticket: undefined })
  })
})

const contractInput = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } }
