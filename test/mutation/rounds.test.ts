import { describe, expect, it } from 'vitest'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import { Question, UnsentError, type OperationRecord } from '../../src/engine/index.ts'
import { underMutation } from './under-mutation.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'

/** A service that asks `questions` times before it acts; `sent` counts what reached it. */
function asking(b: Bench, questions: number, options: Partial<Record<string, unknown>> = {}) {
  const it = { sent: 0, fails: new Map<number, Error>() }
  const tool = b.tool({
    execute: async (input: OrderInput, context: ToolContext) => {
      context.checkpoint()
      it.sent += 1
      const problem = it.fails.get(it.sent)
      if (problem !== undefined) throw problem
      if (it.sent <= questions) return new Question({ ask: it.sent })
      return await b.downstream.send(input, context)
    },
    ...options,
  })
  return { it, tool }
}

const input = { ref: 'a' }

describe('rounds of questions', () => {
  it('one attempt asks, is answered, and acts once; every round afterwards replays the end', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 2)
    const first = await b.until(tool.perform(input))
    expect(first).toEqual({
      status: 'awaiting-input',
      value: { ask: 1 },
      error: undefined,
      replayed: false,
      joined: false,
      key: first.key,
      ticket: first.key.slice(4, 16),
      attempts: 1,
      recorded: true,
      notice: undefined,
      missing: undefined,
      record: b.record(tool, input),
    })
    expect(first.record).toMatchObject({ state: 'awaiting-input', round: 1, openSends: 1 })
    expect(first.record?.leaseUntil).toBe(b.time.storeMs() + 600_000)
    expect(await b.until(tool.perform(input, { round: 'x' }))).toMatchObject({ value: { ask: 2 }, replayed: false })
    const last = await b.until(tool.perform(input, { round: 'y' }))
    expect(last).toMatchObject({ status: 'committed', replayed: false, attempts: 1 })
    for (const round of [undefined, 'x', 'y', 'z'])
      expect(await b.until(tool.perform(input, { round }))).toMatchObject({ status: 'committed', replayed: true })
    expect([service.sent, b.downstream.effects('a')]).toEqual([3, 1])
    expect(await b.history(last.key)).toEqual([
      "T1' absent>executing",
      'T19 executing>awaiting-input',
      'T19 awaiting-input>executing',
      'T19 executing>awaiting-input',
      'T19 awaiting-input>executing',
      'T5 executing>committed',
    ])
  })

  it('a question that was lost on the way is told again, as a replay, and not sent for again', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 2)
    await b.until(tool.perform(input))
    await b.until(tool.perform(input, { round: 'x' }))
    const again = await b.until(tool.perform(input, { round: 'x' }))
    expect(again).toMatchObject({ status: 'awaiting-input', value: { ask: 2 }, replayed: true, joined: false })
    expect(await b.until(tool.perform(input))).toMatchObject({ value: { ask: 1 }, replayed: true })
    expect(service.sent).toBe(2)
    expect(b.events.filter(({ name }) => name === 'duplicate').map(({ answer }) => answer)).toEqual(['replayed', 'replayed']) // prettier-ignore
  })

  it('equal rounds that meet share one send; another round waits for what comes of it', async () => {
    const b = bench()
    let answer = (): void => {}
    const asked = new Promise<void>((resolve) => (answer = resolve))
    const { it: service, tool } = asking(b, 0, {
      execute: async (given: OrderInput, context: ToolContext) => {
        service.sent += 1
        if (service.sent > 1) return await b.downstream.send(given, context)
        await asked
        return new Question({ ask: 1 })
      },
    })
    const first = [tool.perform(input), tool.perform(input)]
    const second = tool.perform(input, { round: 'x' })
    await settle()
    expect(service.sent).toBe(1)
    answer()
    const [own, shared] = await b.until(Promise.all(first))
    expect([own?.joined, shared?.joined, own?.replayed, shared?.replayed]).toEqual([false, true, false, true])
    expect([own?.value, shared?.value]).toEqual([{ ask: 1 }, { ask: 1 }])
    expect(await b.until(second)).toMatchObject({ status: 'committed', replayed: false })
    expect([service.sent, b.downstream.effects('a')]).toEqual([2, 1])
    expect(b.events.filter(({ name }) => name === 'duplicate').map((event) => event['answer'])).toEqual(['joined'])
  })

  it('another round that waits for one that could not begin, begins for itself', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    await b.until(b.guard.open())
    let fails = true
    b.trouble.request = (verb) => {
      if (verb === 'write' && fails) throw unavailable()
    }
    const first = refusalOf(tool.perform(input)).finally(() => (fails = false))
    const second = tool.perform(input, { round: 'x' })
    expect(facts(await b.until(first))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await b.until(second)).toMatchObject({ status: 'awaiting-input', value: { ask: 1 }, replayed: false })
    expect(service.sent).toBe(1)
  })

  it('another engine sends no round that was sent, and knows no question of it', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const { it: here, tool } = asking(a, 2)
    const { it: there, tool: elsewhere } = asking(b, 0)
    await a.until(tool.perform(input))
    await a.until(tool.perform(input, { round: 'x' }))
    for (const round of [undefined, 'x']) {
      const error = await refusalOf(b.until(elsewhere.perform(input, { round })))
      expect(facts(error)).toMatchObject({
        code: 'IN_PROGRESS',
        effect: 'unknown',
        retryable: true,
        details: { state: 'awaiting-input', round: 2 },
      })
    }
    expect(there.sent).toBe(0)
    expect(await b.until(elsewhere.perform(input, { round: 'y' }))).toMatchObject({ status: 'committed', attempts: 1 })
    expect([here.sent, there.sent, b.downstream.effects('a')]).toEqual([2, 1, 1])
  })

  it.each([
    ['refused', () => coded('DECLINED')],
    ['not sent', () => new UnsentError('no socket')],
  ])('a later round that was %s leaves the question, and may be sent again', async (_what, problem) => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    service.fails.set(2, problem())
    await b.until(tool.perform(input))
    const error = await refusalOf(b.until(tool.perform(input, { round: 'x' })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown', retryable: true })
    expect(error.cause).toBe(service.fails.get(2))
    expect(b.record(tool, input)).toMatchObject({ state: 'awaiting-input', round: 1, openSends: 1, evidence: [] })
    expect(b.record(tool, input)?.leaseUntil).toBe(b.time.storeMs() + 600_000)
    expect(await b.until(tool.perform(input))).toMatchObject({ value: { ask: 1 }, replayed: true })
    expect(await b.until(tool.perform(input, { round: 'x' }))).toMatchObject({ status: 'committed' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a later round of an unknown end is in doubt, like any attempt', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    service.fails.set(2, coded('ECONNRESET'))
    await b.until(tool.perform(input))
    const error = await refusalOf(b.until(tool.perform(input, { round: 'x' })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', openSends: 1 })
  })

  it('a question stands no longer than its key is known: no later round goes out under one that may be forgotten', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 3, { recovery: keyed('5m') })
    const refused = asking(b, 1, { name: 'other', recovery: keyed('5m') })
    refused.it.fails.set(2, coded('DECLINED'))
    await b.until(tool.perform(input))
    await b.until(refused.tool.perform(input))
    const until = (b.record(tool, input)?.firstSendAt ?? 0) + 300_000 - 120_000
    expect(b.record(tool, input)?.leaseUntil).toBe(until)
    await b.time.advance(100_000)
    await b.until(tool.perform(input, { round: 'x' }))
    await refusalOf(b.until(refused.tool.perform(input, { round: 'x' })))
    expect(b.record(tool, input)?.leaseUntil).toBe(until)
    expect(b.record(refused.tool, input)).toMatchObject({ state: 'awaiting-input', leaseUntil: until })
    b.time.pause(80_001)
    expect(facts(await refusalOf(b.until(tool.perform(input, { round: 'y' }))))).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.sent).toBe(2)
    const short = asking(b, 1, { name: 'short', recovery: keyed('1m') })
    await b.until(short.tool.perform(input))
    expect(b.record(short.tool, input)?.leaseUntil).toBe(0)
  })

  it('a later round is not sent once its key may be forgotten, whatever kept it', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1, { recovery: keyed('5m') })
    await b.until(tool.perform(input))
    await b.time.advance(170_000)
    b.fault = (point) => {
      if (point === 'marked') b.time.pause(10_000)
    }
    await refusalOf(b.until(tool.perform(input, { round: 'x' })))
    expect(service.sent).toBe(1)
  })

  it('a question that nobody answers in its time is in doubt', async () => {
    const b = bench()
    const { tool } = asking(b, 1)
    await b.until(tool.perform(input))
    await b.time.advance(601_000)
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
  })

  it('a round that comes after that lapses it itself', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    await b.until(tool.perform(input))
    b.time.pause(601_000)
    expect(facts(await refusalOf(b.until(tool.perform(input, { round: 'x' }))))).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.sent).toBe(1)
  })

  it('a question while an earlier send is open settles nothing', async () => {
    const b = bench()
    let asks = 0
    const tool = b.tool({
      recovery: keyed('24h'),
      execute: async (given: OrderInput, context: ToolContext) => {
        asks += 1
        if (asks > 1) return new Question({ ask: asks })
        return await b.downstream.send(given, context)
      },
    })
    b.downstream.plan('a', 'lose-request')
    const error = await refusalOf(b.until(tool.perform(input)))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'open-sends' })
    expect(b.events.filter(({ name }) => name === 'doubt').map(({ reason }) => reason)).toContain('open-sends')
  })

  it('a late question is no success', async () => {
    const b = bench()
    let ask = (): void => {}
    const tool = b.tool({
      timeout: '5s',
      execute: () => new Promise((resolve) => (ask = () => resolve(new Question({ ask: 1 })))),
    })
    await refusalOf(b.until(tool.perform(input)))
    ask()
    await b.time.advance(1_000)
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'timeout' })
  })

  it('a question that the ledger cannot be told is a doubt', async () => {
    const b = bench()
    const { tool } = asking(b, 1)
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw unavailable()
    }
    const error = await refusalOf(b.until(tool.perform(input, { waitMs: 1_000 })))
    expect(facts(error)).toMatchObject({ effect: 'unknown' })
    expect(b.record(tool, input)?.state).toBe('executing')
    await b.time.advance(60_000)
    expect(b.record(tool, input)?.state).toBe('executing')
    b.trouble.request = () => undefined
    await b.time.advance(60_000)
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
  })

  it('a question whose record somebody else has is overtaken, and told as the doubt that it is', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    await b.until(b.guard.open())
    const { tool } = asking(a, 1)
    a.fault = async (point) => {
      if (point !== 'answered') return
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    expect(facts(await refusalOf(a.until(tool.perform(input))))).toMatchObject({ code: 'IN_DOUBT' })
    expect(a.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
  })
})

describe('a round on its way', () => {
  it('is not sent when its caller left before it', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    await b.until(tool.perform(input))
    const controller = new AbortController()
    let read = (): void => {}
    b.trouble.request = (verb) => (verb === 'read' ? new Promise<void>((resolve) => (read = resolve)) : undefined)
    const call = tool.perform(input, { round: 'x', signal: controller.signal })
    await settle()
    controller.abort()
    await settle()
    b.trouble.request = () => undefined
    read()
    expect(facts(await refusalOf(b.until(call)))).toMatchObject({ code: 'CANCELLED' })
    await settle()
    expect(service.sent).toBe(1)
    expect(b.record(tool, input)?.state).toBe('awaiting-input')
  })

  it('that another engine took first is overtaken, and its end replayed', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const { it: here, tool } = asking(a, 1)
    const { tool: elsewhere } = asking(b, 0)
    await a.until(tool.perform(input))
    let met = false
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || met) return
      met = true
      await b.until(elsewhere.perform(input, { round: 'x' }))
    }
    expect(await a.until(tool.perform(input, { round: 'x' }))).toMatchObject({ status: 'committed', replayed: true })
    expect([here.sent, a.downstream.effects('a')]).toEqual([1, 1])
  })

  it('that is overtaken after it was sent is told as the doubt that it is', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    await b.until(b.guard.open())
    const { tool } = asking(a, 1)
    await a.until(tool.perform(input))
    a.downstream.plan('a', 'refuse')
    a.fault = async (point) => {
      if (point !== 'answered') return
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    expect(facts(await refusalOf(a.until(tool.perform(input, { round: 'x' }))))).toMatchObject({ code: 'IN_DOUBT' })
  })

  it('sends nothing once records were lost, and is a doubt', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    await b.until(tool.perform(input))
    b.trouble.answer = (verb, _args, answer) => (verb === 'write' ? { ...(answer as object), sequence: 0 } : undefined)
    const error = await refusalOf(b.until(tool.perform(input, { round: 'x' })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
    expect(b.events.filter(({ name }) => name === 'doubt')).toMatchObject([{ reason: 'amnesia' }])
    expect(service.sent).toBe(1)
  })

  it('is sent under a mark that it knew of', async () => {
    const b = bench()
    const { it: service, tool } = asking(b, 1)
    await b.until(tool.perform(input))
    await b.inner.markAmnesia({ at: 1, lossFrom: 0, why: 'told' })
    await b.until(b.guard.internals.tick())
    expect(await b.until(tool.perform(input, { round: 'x' }))).toMatchObject({ status: 'committed' })
    expect(service.sent).toBe(2)
  })

  it('takes its turn among operations that exclude each other', async () => {
    const b = bench()
    const { tool } = asking(b, 1, { exclusive: ['account'], identity: ['ref', 'account'] })
    const given = { ref: 'a', account: 'x' }
    await b.until(tool.perform(given))
    expect(await b.until(tool.perform(given, { round: 'x' }))).toMatchObject({ status: 'committed' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it.skipIf(underMutation)('questions are kept for a thousand operations, the oldest goes', async () => {
    const b = bench()
    const tool = b.tool({ execute: (given: OrderInput) => new Question({ ask: given.ref }) })
    for (let n = 0; n <= 1_000; n += 1) await b.until(tool.perform({ ref: `r${n}` }))
    expect(await b.until(tool.perform({ ref: 'r1' }))).toMatchObject({ value: { ask: 'r1' }, replayed: true })
    expect(facts(await refusalOf(b.until(tool.perform({ ref: 'r0' }))))).toMatchObject({ code: 'IN_PROGRESS' })
  })

  it('a question of an earlier generation of the operation is not told again', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const { tool } = asking(a, 2)
    const { tool: elsewhere } = asking(b, 1)
    const { key } = await a.until(tool.perform(input))
    await a.time.advance(601_000)
    await a.time.advance(60_000)
    await a.until(a.guard.ledger.resolve(key, { verdict: 'released', who: 'me', note: 'no' }))
    await b.until(elsewhere.perform(input))
    expect((a.record(tool, input) as OperationRecord).fence).toBeGreaterThan(1)
    expect(facts(await refusalOf(a.until(tool.perform(input))))).toMatchObject({ code: 'IN_PROGRESS' })
  })
})
