import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { UnsentError } from '../../src/engine/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type OrderInput } from './bench.ts'

const shutStore = (b: ReturnType<typeof bench>): void => {
  b.trouble.request = (verb) => {
    if (verb === 'write') throw unavailable()
  }
}
const openStore = (b: ReturnType<typeof bench>): void => {
  b.trouble.request = () => undefined
}

describe('how an attempt ends', () => {
  it('a mapped refusal is rejected, and a corrected call is a new attempt', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'refuse')
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: false })
    expect((error.cause as Error).message).toBe('DECLINED')
    const record = b.record(tool, { ref: 'a' })!
    expect(record).toMatchObject({ state: 'rejected', error: { name: 'Error', message: 'DECLINED' }, openSends: 0 })
    await b.until(tool({ ref: 'a', amount: 5 }))
    expect(await b.history(record.key)).toEqual([
      "T1' absent>executing",
      'T6 executing>rejected',
      "T1' rejected>executing",
      'T5 executing>committed',
    ])
    expect(b.events.filter(({ name }) => name === 'doubt')).toEqual([])
  })

  it('proof that nothing was sent is released and may be called again', async () => {
    const b = bench()
    const tool = b.tool({
      execute: () => {
        throw new UnsentError('refused connection')
      },
    })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: true })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
  })

  it('an error that means done is committed, thrown as it was, and replayed', async () => {
    const b = bench()
    const exists = coded('EXISTS')
    const tool = b.tool({
      errors: [{ match: 'EXISTS', effect: 'done' }],
      execute: () => {
        throw exists
      },
    })
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toBe(exists)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'committed', outcome: { kind: 'error' } })
    const again = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(again).toMatchObject({ message: 'EXISTS', code: 'EXISTS' })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', value: undefined })
  })

  it('anything else is a doubt with a ticket, told once', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    const record = b.record(tool, { ref: 'a' })!
    expect(facts(error)).toMatchObject({
      code: 'IN_DOUBT',
      effect: 'unknown',
      ticket: record.key.slice(4, 16),
      details: { reason: 'reset', recovery: 'manual' },
    })
    expect((error.cause as Error).message).toBe('ECONNRESET')
    expect(record).toMatchObject({
      state: 'in-doubt',
      reason: 'reset',
      // Its code has returned: it sends no more.
      checked: true,
      openSends: 1,
      evidence: [{ who: 'host/boot/1/1', what: 'Error ECONNRESET' }],
    })
    expect(b.points.slice(-2)).toEqual(['before-doubt', 'doubted'])
    expect(b.events.filter(({ name }) => name === 'doubt')).toEqual([
      {
        name: 'doubt',
        key: record.key,
        tenant: 'default',
        tool: 'place_order',
        run: undefined,
        reason: 'reset',
        ticket: record.key.slice(4, 16),
      },
    ])
    // Never again, whoever calls.
    const later = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(later.code).toBe('IN_DOUBT')
    expect(later.cause).toBeUndefined()
    expect(b.downstream.effects('a')).toBe(1)
    expect(await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return' }))).toMatchObject({
      status: 'in-doubt',
      replayed: true,
    })
  })

  it('a refusal while an earlier send is open proves nothing: doubt', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'keyed', windowMs: 86_400_000, settleMs: 0 } })
    b.downstream.plan('a', 'lose-answer', 'refuse', 'lose-request')
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 100 })))
    expect(error).toMatchObject({ code: 'IN_DOUBT' })
    const key = b.record(tool, { ref: 'a' })!.key
    expect((await b.history(key)).slice(0, 4)).toEqual([
      "T1' absent>executing",
      'T8 executing>in-doubt',
      'T10 in-doubt>recovering',
      'T13 recovering>executing',
    ])
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'open-sends' })
    expect(b.events.filter(({ name, reason }) => name === 'doubt' && reason === 'open-sends')).toHaveLength(1)
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('the deadline', () => {
  const slow = (b: ReturnType<typeof bench>, options: object = {}) => b.tool({ timeout: '10s', ...options })

  it('ends the waiting: a doubt whose late answer is recorded', async () => {
    const b = bench()
    let signal: AbortSignal | undefined
    const tool = slow(b, {
      execute: (input: OrderInput, context: ToolContext) => {
        signal = context.signal
        return b.downstream.send(input, context)
      },
    })
    b.downstream.plan('a', 'hold')
    const call = refusalOf(tool({ ref: 'a' }))
    await b.time.advance(9_999)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('executing')
    expect(signal?.aborted).toBe(false)
    await b.time.advance(1)
    const error = await b.until(call)
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', details: { reason: 'timeout' } })
    expect(error.cause).toMatchObject({ name: 'TimeoutError' })
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' })
    const record = b.record(tool, { ref: 'a' })!
    // Its code has not returned: it may send again.
    expect(record).toMatchObject({ state: 'in-doubt', reason: 'timeout', checked: false })
    expect(record.evidence[0]?.what).toContain('10000 ms')
    b.downstream.release('a')
    await settle()
    expect(b.record(tool, { ref: 'a' })).toMatchObject({
      state: 'committed',
      outcome: { kind: 'value', text: '{"id":1,"ref":"a"}' },
    })
    expect((await b.history(record.key)).at(-1)).toBe('T9 in-doubt>committed')
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
  })

  it('what sends after it may not', async () => {
    const b = bench()
    const tool = slow(b, {
      execute: async (_input: OrderInput, context: { checkpoint(): void }) => {
        await new Promise<void>((resolve) => b.time.after(10_001, resolve))
        context.checkpoint()
        return 'sent'
      },
    })
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    await b.time.advance(10)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt' })
  })

  it.each([
    ['a refusal', () => coded('DECLINED'), 'rejected', 'T9 in-doubt>rejected'],
    ['proof of not sent', () => new UnsentError('x'), 'released', 'T9 in-doubt>released'],
    ['any other error', () => new Error('x'), 'in-doubt', 'T8 executing>in-doubt'],
    ['an error that means done', () => coded('EXISTS'), 'committed', 'T9 in-doubt>committed'],
  ] as const)('%s that comes late', async (_name, thrown, state, last) => {
    const b = bench()
    const tool = slow(b, {
      errors: [
        { match: 'DECLINED', effect: 'none' },
        { match: 'EXISTS', effect: 'done' },
      ],
      execute: async () => {
        await new Promise<void>((resolve) => b.time.after(11_000, resolve))
        throw thrown()
      },
    })
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    await b.time.advance(1_000)
    const record = b.record(tool, { ref: 'a' })!
    expect(record.state).toBe(state)
    expect((await b.history(record.key)).at(-1)).toBe(last)
    if (state === 'committed') expect(record.outcome).toMatchObject({ kind: 'error' })
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([])
  })

  it('a late "accepted" settles nothing', async () => {
    const b = bench()
    const tool = slow(b, {
      verify: () => undefined,
      execute: async () => {
        await new Promise<void>((resolve) => b.time.after(11_000, resolve))
        return 1
      },
    })
    await refusalOf(b.until(tool({ ref: 'a' })))
    await b.time.advance(1_000)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('in-doubt')
  })

  it('leaves no timer behind once there is an answer', async () => {
    const b = bench()
    await b.until(slow(b)({ ref: 'a' }))
    b.downstream.plan('b', 'refuse')
    await refusalOf(b.until(slow(b)({ ref: 'b' })))
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })
})

describe('the ledger cannot take it', () => {
  it('a success goes to the spool, is told as done but not recorded, and is offered until it is taken', async () => {
    const b = bench()
    const tool = b.tool()
    b.fault = (point) => {
      if (point === 'before-commit') shutStore(b)
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', recorded: false, value: { id: 1, ref: 'a' } })
    const { key } = outcome
    const record = b.recordOf(key)!
    expect(record.state).toBe('executing')
    expect(b.spool.entries).toEqual([
      {
        key,
        tenant: 'default',
        fence: record.fence,
        nonce: record.nonce,
        outcome: expect.objectContaining({ text: '{"id":1,"ref":"a"}' }) as object,
        at: b.time.wallMs(),
        who: 'host/boot/1/1',
      },
    ])
    expect(b.events.filter(({ name }) => name === 'spooled')).toEqual([
      { name: 'spooled', key, tenant: 'default', tool: 'place_order', run: undefined },
    ])
    await b.time.advance(5_000)
    expect(b.recordOf(key)?.state).toBe('executing')
    openStore(b)
    await b.time.advance(1_000)
    expect(b.recordOf(key)?.state).toBe('committed')
    await b.time.advance(1_000)
    expect(b.spool.entries).toEqual([])
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('with a full spool an alarm is told, and the answer all the same', async () => {
    const b = bench()
    b.spool.full = true
    b.fault = (point) => {
      if (point === 'before-commit') shutStore(b)
    }
    const outcome = await b.until(b.tool().perform({ ref: 'a' }))
    expect(outcome.recorded).toBe(false)
    expect(b.events.filter(({ name }) => name === 'alarm')).toHaveLength(1)
    openStore(b)
    await b.time.advance(1_000)
    expect(b.recordOf(outcome.key)?.state).toBe('committed')
    const none = bench({ spool: false })
    none.fault = (point) => {
      if (point === 'before-commit') shutStore(none)
    }
    expect(await none.until(none.tool().perform({ ref: 'a' }))).toMatchObject({ recorded: false })
  })

  it.each([
    ['a refusal', 'refuse', 'answered'],
    ['a doubt', 'lose-answer', 'before-doubt'],
  ] as const)('%s is told as doubt, for the ledger will call it one', async (_name, fault, where) => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', fault)
    b.fault = (point) => {
      if (point === where) shutStore(b)
    }
    // The store is back at once, and the record still says "executing": this caller is told what it may become.
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 60_000 })))
    expect(error).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.downstream.log).toHaveLength(1)
  })

  it('an accepted answer is told as doubt', async () => {
    const b = bench()
    const tool = b.tool({ verify: () => undefined })
    b.fault = (point) => {
      if (point === 'before-commit') shutStore(b)
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 100 })))).toMatchObject({ effect: 'unknown' })
  })

  it('a result that cannot be stored is told, and its replay says so', async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const tool = b.tool({ execute: () => 'x'.repeat(20) })
    b.trouble.request = (verb) => {
      if (verb === 'putBlob') throw unavailable()
    }
    expect(await b.until(tool({ ref: 'a' }) as Promise<unknown>)).toBe('x'.repeat(20))
    expect(b.record(tool, { ref: 'a' })?.outcome).toMatchObject({ omitted: true, size: 22 })
    const again = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(again)).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    const blob = bench({ settings: { inlineResultBytes: 10 } })
    const large = blob.tool({ execute: () => 'x'.repeat(20) })
    await blob.until(large({ ref: 'a' }))
    expect(blob.record(large, { ref: 'a' })?.outcome).toMatchObject({ blob: true })
    expect(await blob.until(large({ ref: 'a' }) as Promise<unknown>)).toBe('x'.repeat(20))
  })
})

describe('success of an attempt that has lost its record', () => {
  const held = async (b: ReturnType<typeof bench>) => {
    const tool = b.tool({ timeout: '10m' })
    b.downstream.plan('a', 'hold')
    const call = tool.perform({ ref: 'a' })
    await settle()
    return { tool, call, record: b.record(tool, { ref: 'a' })! }
  }

  it('crosses a doubt that others declared (T9) and a verdict of "not done" with an alarm (T15)', async () => {
    const b = bench()
    const { call, record } = await held(b)
    const ledger = b.guard.ledger
    b.trouble.request = (verb) => {
      // No heartbeat: its lease runs out, and the sweep calls it a doubt.
      if (verb === 'write' && b.time.timers().length === 0) throw unavailable()
    }
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    await other.inner.open()
    b.time.stepStore(40_000)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(record.key)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
    b.time.stepStore(60_000)
    await ledger.resolve(record.key, { verdict: 'released', who: 'ada', note: 'looked' })
    b.downstream.release('a')
    const outcome = await b.until(call)
    expect(outcome).toMatchObject({ status: 'committed', recorded: true })
    expect((await b.history(record.key)).at(-1)).toBe('T15 released>committed')
    const alarms = b.events.filter(({ name }) => name === 'alarm')
    expect(alarms).toEqual([
      {
        name: 'alarm',
        key: record.key,
        tenant: 'default',
        tool: 'place_order',
        run: undefined,
        message: 'success evidence for an operation that was released',
      },
    ])
  })

  it('meets another success: the ledger’s stands', async () => {
    const b = bench()
    const { call, record } = await held(b)
    b.time.stepStore(40_000)
    const other = bench({ beside: b })
    await b.until(other.guard.internals.tick())
    await b.guard.ledger.resolve(record.key, { verdict: 'committed', who: 'ada', note: 'seen', value: 'by hand' })
    b.downstream.release('a')
    expect(await b.until(call)).toMatchObject({ status: 'committed', value: 'by hand', replayed: true })
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([])
  })

  it('meets a record that was undone: an alarm', async () => {
    const b = bench()
    const { call, record } = await held(b)
    b.time.stepStore(40_000)
    const other = bench({ beside: b })
    await b.until(other.guard.internals.tick())
    await b.guard.ledger.resolve(record.key, { verdict: 'committed', who: 'ada', note: 'seen', value: 1 })
    const undo = other.tool({ compensate: () => undefined })
    await b.until(undo.compensate({ ref: 'a' }))
    b.downstream.release('a')
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'COMPENSATED' })
    expect(b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)).toEqual([
      'a success met a record that is compensated',
    ])
  })
})
