import { describe, expect, it } from 'vitest'
import { bench, facts, refusalOf, settle, unavailable } from './bench.ts'

describe('one call, from claim to commit', () => {
  it('is one write for claim and marker, one for the commit, and is told in order', async () => {
    const b = bench()
    const tool = b.tool({ amount: 'amount' })
    const outcome = await b.until(tool.perform({ ref: 'a', amount: 7 }, { callId: 'call-1' }))
    const record = b.record(tool, { ref: 'a', amount: 7 })
    expect(outcome).toEqual({
      status: 'committed',
      value: { id: 1, ref: 'a' },
      replayed: false,
      joined: false,
      key: record?.key,
      ticket: record?.key.slice(4, 16),
      attempts: 1,
      recorded: true,
      notice: undefined,
      missing: undefined,
      error: undefined,
      record,
    })
    expect(record).toMatchObject({
      state: 'committed',
      attempts: 1,
      openSends: 0,
      leaseUntil: 0,
      owner: 'host/boot/1/1',
      call: 'call-1',
      amount: 7,
      input: '{"ref":"a","amount":7}',
      outcome: { kind: 'value', text: '{"id":1,"ref":"a"}' },
      createdAt: b.time.storeMs(),
      firstSendAt: b.time.storeMs(),
      recovery: 'manual',
    })
    expect(await b.history(outcome.key)).toEqual(["T1' absent>executing", 'T5 executing>committed'])
    expect(b.points).toEqual(['before-claim', 'claimed', 'marked', 'answered', 'before-commit', 'committed'])
    expect(b.events.map(({ name }) => name)).toEqual(['transition', 'transition'])
    expect(b.events[0]).toMatchObject({
      key: outcome.key,
      tenant: 'default',
      tool: 'place_order',
      run: undefined,
      event: { transition: "T1'", fence: record?.fence, at: b.time.storeMs(), who: 'host/boot/1/1' },
    })
    expect(b.downstream.effects('a')).toBe(1)
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('with a prepare phase claims first and marks what prepare made of the input', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      prepare: (input: { ref: string }, context: { attempt: number; key: string }) => {
        seen.push(['prepare', input, context.attempt, b.recordOf(context.key)?.state])
        return { ...input, note: 'prepared' }
      },
      execute: (input: unknown, context: { attempt: number; key: string }) => {
        const record = b.recordOf(context.key)
        seen.push(['execute', input, context.attempt, record?.state, record?.input])
        return 'done'
      },
    })
    expect(await b.until(tool({ ref: 'a' }) as Promise<unknown>)).toBe('done')
    expect(seen).toEqual([
      ['prepare', { ref: 'a' }, 0, 'claimed'],
      ['execute', { ref: 'a', note: 'prepared' }, 1, 'executing', '{"ref":"a","note":"prepared"}'],
    ])
    expect(b.points.slice(0, 4)).toEqual(['before-claim', 'claimed', 'prepared', 'marked'])
    expect(await b.history(b.record(tool, { ref: 'a' })!.key)).toEqual([
      'T1 absent>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
  })

  it('keeps the input where prepare returns nothing', async () => {
    const b = bench()
    const tool = b.tool({ prepare: () => undefined })
    await b.until(tool({ ref: 'a', note: 'n' }))
    expect(b.record(tool, { ref: 'a' })?.input).toBe('{"ref":"a","note":"n"}')
  })

  it('what prepare throws is a refusal without effect, and the next call is a new attempt', async () => {
    const b = bench()
    const problem = new Error('no such account')
    let fails = true
    const tool = b.tool({
      prepare: () => {
        if (fails) throw problem
      },
    })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: false })
    expect(error.cause).toBe(problem)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0, attempts: 0 })
    expect(b.downstream.log).toEqual([])
    fails = false
    await b.until(tool({ ref: 'a' }))
    const record = b.record(tool, { ref: 'a' })!
    expect(await b.history(record.key)).toEqual([
      'T1 absent>claimed',
      'T3 claimed>released',
      'T18 released>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
    expect(record).toMatchObject({ generation: 1, attempts: 1 })
  })

  it('a prepare phase that never ends is given up at the time-out: no effect, and what it does later does not count', async () => {
    const b = bench()
    let later = (): void => {}
    let hangs = true
    let given: AbortSignal | undefined
    const tool = b.tool({
      timeout: '10s',
      prepare: async (_input: object, context: { signal: AbortSignal; checkpoint: () => void }) => {
        if (!hangs) return
        given = context.signal
        await new Promise<void>((resolve) => (later = resolve))
        context.checkpoint()
      },
    })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none' })
    expect(error.cause).toMatchObject({ name: 'TimeoutError' })
    expect(given?.aborted).toBe(true)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0, attempts: 0 })
    later()
    await settle()
    expect(b.downstream.log).toEqual([])
    hangs = false
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('a prepared input that is too large or not JSON starts nothing', async () => {
    const b = bench({ settings: { maxInputBytes: 100 } })
    const tool = b.tool({ prepare: (input: object) => ({ ...input, note: 'x'.repeat(100) }) })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(error).toMatchObject({ code: 'REJECTED', effect: 'none' })
    expect(error.cause).toMatchObject({ code: 'INPUT_INVALID' })
    expect(b.downstream.effects('a')).toBe(0)
  })
})

describe('before the byte', () => {
  it('a prepare phase that outlives the lease starts nothing, and its duplicate takes over (T4)', async () => {
    const b = bench()
    let slow = true
    const tool = b.tool({
      prepare: async () => {
        if (slow) b.time.pause(30_000)
        slow = false
      },
    })
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    const record = b.record(tool, { ref: 'a' })!
    expect(await b.history(record.key)).toEqual([
      'T1 absent>claimed',
      'T4 claimed>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a pause between marker and byte sends nothing: proof of not sent', async () => {
    const b = bench()
    const tool = b.tool()
    b.fault = (point) => {
      if (point === 'marked') b.time.pause(30_000)
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: true })
    expect((error.cause as Error).message).toContain('lease was over')
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0 })
    expect(b.downstream.log).toEqual([])
  })

  it('the lease counts from before the store was asked', async () => {
    const b = bench()
    const tool = b.tool()
    // The answer to the claim takes 20 s on the way, then 10 s pass: together a lease.
    b.trouble.answer = (verb) => {
      if (verb === 'write') b.time.pause(20_000)
    }
    b.fault = (point) => {
      if (point === 'marked') b.time.pause(10_000)
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'REJECTED', retryable: true })
    expect(b.downstream.log).toEqual([])
    // The same after a prepare phase, where it counts from before the marker.
    const c = bench()
    const prepared = c.tool({ prepare: () => undefined })
    c.fault = (point) => {
      if (point === 'claimed' || point === 'prepared') c.time.pause(14_000)
      if (point === 'marked') c.time.pause(29_999)
    }
    expect(await c.until(prepared({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
  })

  it('a claim that was lost to another attempt is followed, not repeated', async () => {
    const b = bench()
    const tool = b.tool()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    const same = other.tool()
    b.downstream.plan('a', 'hold')
    const first = tool({ ref: 'a' })
    await settle()
    // The second engine reads nothing before it claims.
    other.trouble.answer = (verb, _args, answer) =>
      verb === 'read' && other.points.length === 0 ? { ...(answer as object), record: undefined } : undefined
    const second = same({ ref: 'a' })
    await b.time.advance(10)
    b.downstream.release('a')
    expect(await b.until(first)).toEqual({ id: 1, ref: 'a' })
    expect(await b.until(second)).toEqual({ id: 1, ref: 'a' })
    expect(other.points).toEqual(['before-claim'])
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('an older name of the operation', () => {
  const majors = { supersedes: [{ version: 1, identity: (input: { ref: string }) => input.ref }], version: 2 }
  const older = (options: object = {}) => ({ identity: (input: { ref: string }) => input.ref, ...options })

  it('that nobody used is marked, so that an older version cannot start it any more', async () => {
    const b = bench()
    const tool = b.tool(majors)
    await b.until(tool({ ref: 'a' }))
    const past = bench({ beside: b })
    const error = await refusalOf(past.until(past.tool(older())({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
    expect(b.downstream.effects('a')).toBe(1)
    const left = past.record(past.tool(older()), { ref: 'a' })!
    expect(left).toMatchObject({ state: 'superseded', major: 1, nonce: b.record(tool, { ref: 'a' })!.key })
    // A second engine of the newer version finds the marker and goes on.
    expect((await b.until(tool.perform({ ref: 'a' }, { occurrence: 2 }))).status).toBe('committed')
  })

  it('that is committed in a version with the same shape is replayed', async () => {
    const b = bench()
    const past = b.tool(older())
    const first = await b.until(past({ ref: 'a' }))
    const now = bench({ beside: b })
    const outcome = await b.until(now.tool({ ...majors, replaysFrom: [1] }).perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', value: first, replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it.each([
    ['committed in another shape', 'ok', 'done'],
    ['in doubt', 'lose-answer', 'unknown'],
  ] as const)('that is %s is refused', async (_name, fault, effect) => {
    const b = bench()
    b.downstream.plan('a', fault)
    await b.until(
      b
        .tool(older())({ ref: 'a' })
        .catch(() => undefined),
    )
    const now = bench({ beside: b })
    const error = await refusalOf(b.until(now.tool(majors)({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect, details: { recorded: 1, wanted: 2 } })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('an older secret’s name replays too', async () => {
    const b = bench({ keySecret: 'old' })
    await b.until(b.tool()({ ref: 'a' }))
    const now = bench({ beside: b, keySecret: 'new', previousSecrets: ['old'] })
    expect(await b.until(now.tool().perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('a claim whose acknowledgement never came', () => {
  const lose = async (prepare?: () => void) => {
    const b = bench()
    const tool = b.tool(prepare === undefined ? {} : { prepare })
    await b.guard.open()
    let away = false
    b.trouble.request = () => {
      if (away) throw unavailable()
    }
    b.trouble.answer = (verb) => {
      if (verb !== 'write' || away) return undefined
      away = true
      throw unavailable()
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    b.trouble.answer = () => undefined
    return { b, tool, back: () => (away = false), key: b.record(tool, { ref: 'a' })!.key }
  }

  it.each([
    ['its marker', undefined, 'executing'],
    ['no marker yet', () => undefined, 'claimed'],
  ])(
    'with %s is taken back once the store answers: its caller was told that nothing started',
    async (_name, prepare, state) => {
      const { b, key, back, tool } = await lose(prepare)
      expect(b.recordOf(key)?.state).toBe(state)
      await b.time.advance(5_000)
      expect(b.recordOf(key)?.state).toBe(state)
      back()
      await b.time.advance(1_000)
      expect(b.recordOf(key)).toMatchObject({ state: 'released', openSends: 0 })
      expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
      expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([])
    },
  )

  it.each([
    ['a record', ['refuse']],
    ['no record', []],
  ] as const)('and arrives only later, where %s was there before, is taken back then', async (_what, faults) => {
    const b = bench()
    await b.guard.open()
    const tool = b.tool()
    b.downstream.plan('a', ...faults)
    for (const _fault of faults) await refusalOf(b.until(tool({ ref: 'a' })))
    const sent = b.downstream.log.length
    const before = b.record(tool, { ref: 'a' })
    b.trouble.request = (verb) =>
      verb === 'write' ? new Promise((resolve) => b.time.after(10_000, () => resolve(undefined))) : undefined
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    await b.time.advance(2_000)
    expect(b.record(tool, { ref: 'a' })).toEqual(before)
    b.trouble.request = () => undefined
    await b.time.advance(10_000)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0 })
    expect(b.downstream.log).toHaveLength(sent)
  })

  it('under a mark that came meanwhile it becomes a doubt', async () => {
    const { b, key, back } = await lose()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    back()
    await b.time.advance(1_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt' })
    expect(b.downstream.log).toEqual([])
  })
})

describe('the store is away', () => {
  it('before the claim: nothing started, and it is safe to call again', async () => {
    const b = bench()
    const tool = b.tool()
    await b.guard.open()
    b.trouble.request = (verb) => {
      if (verb === 'read' || verb === 'write') throw unavailable()
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
      retryable: true,
      retryAfterMs: 1000,
      key: expect.stringMatching(/^of1_/),
    })
    expect(b.downstream.log).toEqual([])
  })

  it('at the marker: nothing started', async () => {
    const b = bench()
    const tool = b.tool({ prepare: () => undefined })
    b.fault = (point) => {
      if (point === 'prepared')
        b.trouble.request = (verb) => {
          if (verb === 'write') throw unavailable()
        }
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(b.downstream.log).toEqual([])
    expect(b.record(tool, { ref: 'a' })?.state).toBe('claimed')
  })
})

describe('an input that is nothing', () => {
  it('is frozen as null when it was prepared', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      identity: () => 'the one',
      ignore: undefined,
      prepare: () => undefined,
      execute: (input: unknown) => void seen.push(input),
    })
    const { key } = await b.until(tool.perform(undefined as never))
    expect(seen).toEqual([undefined])
    expect(b.recordOf(key)?.state).toBe('committed')
  })
})
