import { describe, expect, it } from 'vitest'
import type { Write } from '../../src/engine/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { alarms, hold, left } from './corners.ts'

/** What an engine asks of the store, in order. */
function watched(b: Bench): string[] {
  const verbs: string[] = []
  b.trouble.request = (verb) => void verbs.push(verb)
  return verbs
}

/** Engines on one store, of which `refused` says why a class must not be registered once it is open. */
function choosy(refused: (recovery: string, isOpen: boolean) => string | undefined) {
  const b = bench()
  let isOpen = false
  let closes = 0
  const store = {
    ...b.inner,
    open: async () => {
      await b.inner.open()
      isOpen = true
    },
    close: async () => {
      closes += 1
      isOpen = false
      await b.inner.close()
    },
    refuses: (recovery: string) => refused(recovery, isOpen),
  }
  const guard = b.guard.internals.twin((options) => ({ ...options, store }))
  return { b, guard, closes: () => closes }
}

describe('opening', () => {
  it('comes to nothing for a tool that the store cannot keep, and leaves it closed', async () => {
    const { b, guard, closes } = choosy((recovery, isOpen) =>
      isOpen && recovery === 'manual' ? 'it forgets' : undefined,
    )
    const options = { name: 'x', input: b.tool().contract.input, effect: 'write', identity: 'all', execute: () => 1 }
    guard.tool({ ...options, recovery: { class: 'manual' } } as never)
    expect(await refusalOf(b.until(guard.open()))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(closes()).toBe(1)
    expect(b.time.timers()).toEqual([])
  })

  it('does not ask for what only `once` needs, which is refused when it is called', async () => {
    const { b, guard, closes } = choosy((recovery, isOpen) =>
      isOpen && recovery === 'manual' ? 'it forgets' : undefined,
    )
    await b.until(guard.open())
    // The second one is made on a store that is open already.
    for (const each of [guard, guard.internals.twin((options) => options)]) {
      let runs = 0
      expect(await refusalOf(b.until(each.once('k', () => (runs += 1))))).toMatchObject({ code: 'STORE_UNSAFE' })
      expect(runs).toBe(0)
    }
    expect(closes()).toBe(0)
  })

  it('looks at the epoch and the spool before anything is served', async () => {
    const b = bench()
    const order = watched(b)
    b.spool.drain = async () => {
      order.push('drain')
      return 0
    }
    b.spool.reserve = async () => void order.push('reserve')
    await b.guard.open()
    expect(order).toEqual(['open', 'epoch', 'drain', 'reserve'])
  })

  it('beats four times in a heartbeat, and at most once in a millisecond', async () => {
    for (const [heartbeatMs, inMs] of [
      [10_000, 2_500],
      [2, 1],
      [0, 1],
    ] as const) {
      const b = bench({ settings: { heartbeatMs, sweepMs: 70_000 } })
      await b.guard.open()
      expect(b.time.timers()).toEqual([
        { inMs, background: true },
        { inMs: 70_000, background: true },
      ])
      await b.time.advance(inMs)
      expect(b.time.timers()[0]).toEqual({ inMs, background: true })
    }
  })
})

describe('closing', () => {
  it('ends what runs here: its signal says so, and nothing may be sent any more', async () => {
    const b = bench()
    let signal: AbortSignal | undefined
    let send = (): void => {}
    const tool = b.tool({
      execute: (_input: OrderInput, context: { signal: AbortSignal; checkpoint(): void }) => {
        signal = context.signal
        send = () => context.checkpoint()
        return new Promise(() => undefined)
      },
    })
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    send()
    expect(signal?.aborted).toBe(false)
    await b.until(b.guard.close())
    expect(signal?.aborted).toBe(true)
    expect(send).toThrow(expect.objectContaining({ code: 'CANCELLED', effect: 'none' }) as Error)
    expect(b.points.at(-1)).toBe('before-doubt')
  })

  it.each([
    ['claimed and marked', {}],
    ['prepared', { prepare: () => undefined }],
  ])('waits for what is just being %s, and starts it no more', async (_what, options) => {
    const b = bench()
    await b.guard.open()
    const tool = b.tool(options)
    b.trouble.answer = (verb, args) =>
      verb === 'write' && (args[0] as { draft?: { state?: string } }).draft?.state === 'executing'
        ? new Promise((resolve) => b.time.after(300, () => resolve(undefined)))
        : undefined
    const call = refusalOf(tool({ ref: 'a' }))
    await settle()
    await b.until(b.guard.close())
    expect(await b.until(call)).toMatchObject({ effect: 'none' })
    expect(b.downstream.log).toEqual([])
    await b.inner.open()
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
  })

  it('leaves no timer behind when the background ended in time', async () => {
    const b = bench()
    const recovery = {
      class: 'probe',
      settleMs: 0,
      probe: () => new Promise((resolve) => b.time.after(500, () => resolve({ found: true, value: 1 }))),
    }
    await left(b, { recovery })
    await b.guard.internals.tick()
    await b.until(b.guard.close())
    expect(b.time.timers()).toEqual([])
  })

  it('happens once, and closes spool and store last', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    await b.until(tool({ ref: 'a' }))
    const order = watched(b)
    b.spool.close = async () => void order.push('spool')
    await Promise.all([b.guard.close(), b.guard.close()])
    expect(order).toEqual(['read', 'note', 'spool', 'close'])
  })

  it('goes through when the counts of duplicates cannot be written', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    await b.until(tool({ ref: 'a' }))
    b.trouble.request = (verb) => {
      if (verb === 'note' || verb === 'read') throw unavailable()
    }
    await b.until(b.guard.close())
    expect(b.spool.closed).toBe(true)
  })

  it('stops housekeeping that was under way', async () => {
    const b = bench()
    await b.guard.open()
    let go = (): void => {}
    b.trouble.request = (verb) => (verb === 'epoch' ? new Promise<void>((resolve) => (go = resolve)) : undefined)
    await b.time.advance(1_000)
    const closed = b.guard.close()
    go()
    await b.until(closed)
    await settle()
    expect(b.time.timers()).toEqual([])
    expect(alarms(b)).toEqual([])
  })

  it('needs neither a spool nor fault points', async () => {
    const b = bench({ spool: false })
    const guard = b.guard.internals.twin(({ faults: _faults, ...options }) => options)
    expect(await b.until(guard.once('k', () => 1))).toBe(1)
    await b.until(guard.close())
    expect(await refusalOf(b.until(guard.once('k', () => 1)))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(b.points).toEqual([])
  })
})

describe('closing with patience', () => {
  it('lets what runs come to its end, with the parts that it has still to do', async () => {
    const b = bench()
    const part = b.tool({ name: 'part' })
    const tool = b.tool({
      name: 'whole',
      compensate: () => undefined,
      execute: async ({ ref }: OrderInput) => {
        await b.time.advance(45_000)
        return await part({ ref })
      },
    })
    const call = tool.perform({ ref: 'a' })
    await settle()
    const closing = b.guard.close({ waitMs: 60_000 })
    const late: readonly (() => Promise<unknown>)[] = [
      () => tool({ ref: 'b' }),
      () => tool.compensate({ ref: 'b' }),
      () => b.guard.once('c', () => 1),
    ]
    for (const one of late) expect(await refusalOf(b.until(one()))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await b.until(call)).toMatchObject({ status: 'committed', recorded: true })
    await b.until(closing)
    expect([b.downstream.effects('a'), b.downstream.effects('b')]).toEqual([1, 0])
    await b.inner.open()
    expect(b.record(tool, { ref: 'a' })?.state).toBe('committed')
    // Its lease was renewed all the while, and nothing else was begun.
    expect((await b.history(b.record(tool, { ref: 'a' })?.key ?? '')).some((step) => step.startsWith('T8'))).toBe(false)
  })

  it('has it for so long and no longer', async () => {
    const b = bench()
    const tool = b.tool({ execute: () => new Promise(() => undefined) })
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    const before = b.time.bootMs()
    await b.until(b.guard.close({ waitMs: 5_000 }))
    expect(b.time.bootMs() - before).toBeGreaterThanOrEqual(5_000)
    await b.inner.open()
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'shutdown' })
  })

  it('begins no housekeeping meanwhile, and opens nothing', async () => {
    const b = bench()
    const tool = b.tool({ execute: () => new Promise(() => undefined) })
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    const closing = b.guard.close({ waitMs: 5_000 })
    const verbs = watched(b)
    await b.until(closing)
    expect(verbs).not.toContain('due')
    const fresh = bench()
    const opening = refusalOf(fresh.until(fresh.guard.open()))
    await fresh.until(fresh.guard.close({ waitMs: 5_000 }))
    expect(await opening).toMatchObject({ effect: 'none' })
  })

  it('may be a listener of a signal; options that there are not are refused', async () => {
    const b = bench()
    await b.guard.open()
    expect(() => b.guard.close({ waitMS: 1 } as never)).toThrow('Did you mean waitMs?')
    await b.until((b.guard.close as (signal: string) => Promise<void>)('SIGTERM'))
  })
})

describe('opening and closing', () => {
  it('opens once, for all calls, and again where it failed', async () => {
    const b = bench()
    let opens = 0
    b.trouble.request = (verb) => {
      if (verb !== 'open') return
      opens += 1
      if (opens === 1) throw unavailable()
    }
    const tool = b.tool()
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await b.until(Promise.all([tool({ ref: 'a' }), tool({ ref: 'b' }), b.guard.open()]))
    expect(opens).toBe(2)
    expect(b.spool.reserved).toEqual([1024 * 1024])
  })

  it('closes: nothing new starts, what was noted is written, no timer stays', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    await b.until(tool({ ref: 'a' }))
    const { key } = b.record(tool, { ref: 'a' })!
    await b.until(b.guard.close())
    await b.until(b.guard.close())
    expect(b.spool.closed).toBe(true)
    expect(b.time.timers()).toEqual([])
    await b.inner.open()
    expect((await b.inner.history(key, 'default')).at(-1)).toMatchObject({
      transition: 'duplicate',
      why: 'replayed × 1',
    })
    expect(facts(await refusalOf(b.until(tool({ ref: 'b' }))))).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
    })
    expect(b.downstream.log).toEqual(['a:ok'])
  })

  it('never opened: closes the store all the same', async () => {
    const b = bench()
    const verbs: string[] = []
    b.trouble.request = (verb) => {
      verbs.push(verb)
    }
    await b.guard.close()
    expect(verbs).toEqual(['close'])
    expect(b.spool.closed).toBe(false)
  })

  it.each([
    ['executing', {}, 'T8 executing>in-doubt', { state: 'in-doubt', reason: 'shutdown' }],
    ['claimed', { prepare: () => new Promise(() => undefined) }, 'T3 claimed>released', { state: 'released' }],
    [
      'recovering',
      {
        recovery: { class: 'probe', settleMs: 0, probe: () => new Promise(() => undefined) },
        execute: () => Promise.reject(coded('ECONNRESET')),
      },
      'T14 recovering>in-doubt',
      { state: 'in-doubt', reason: 'shutdown' },
    ],
  ])('what is still %s becomes visible', async (_state, options, last, record) => {
    const b = bench()
    const { key, tool } = await hold(b, options)
    expect(b.recordOf(key)?.state).toBe(_state)
    await b.until(b.guard.close())
    await b.inner.open()
    expect((await b.history(key)).at(-1)).toBe(last)
    expect(b.record(tool, { ref: 'a' })).toMatchObject(record)
  })

  it('waits a little for what runs in the background', async () => {
    const b = bench()
    const recovery = {
      class: 'probe',
      settleMs: 0,
      probe: async () => {
        await new Promise<void>((resolve) => b.time.after(1_500, resolve))
        return { found: true, value: 1 }
      },
    }
    const tool = await left(b, { recovery })
    await b.guard.internals.tick()
    const began = b.time.bootMs()
    await b.until(b.guard.close())
    expect(b.time.bootMs() - began).toBe(1_500)
    await b.inner.open()
    expect(b.record(tool, { ref: 'a' })?.state).toBe('committed')
  })

  it('but not for ever', async () => {
    const b = bench()
    await left(b, { recovery: { class: 'probe', settleMs: 0, probe: () => new Promise(() => undefined) } })
    await b.guard.internals.tick()
    const began = b.time.bootMs()
    await b.until(b.guard.close())
    expect(b.time.bootMs() - began).toBe(2_000)
  })
})

describe('closing while a call looks for its record', () => {
  it('lets nothing begin', async () => {
    const b = bench({ guarantees: { localReads: false }, keySecret: 'new', previousSecrets: ['old'] })
    const tool = b.tool()
    await b.until(b.guard.open())
    let go = (): void => undefined
    const writes: unknown[] = []
    b.trouble.request = (verb, args) => {
      if (verb === 'write') writes.push((args[0] as Write).draft?.state)
      return verb === 'read' ? new Promise<void>((resolve) => (go = resolve)) : undefined
    }
    const call = refusalOf(tool({ ref: 'a' }))
    await settle()
    const closed = b.guard.close()
    go()
    expect(await b.until(call)).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    await b.until(closed)
    // Only the marker under the older name is there already.
    expect([writes, b.downstream.log]).toEqual([['superseded'], []])
  })
})

describe('a guard that is closed', () => {
  it('opens nothing any more', async () => {
    const b = bench()
    await b.until(b.guard.close())
    const verbs = watched(b)
    expect(await refusalOf(b.until(b.guard.open()))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(verbs).toEqual([])
  })

  it('while it opens tells its callers so, also where the store cannot be closed', async () => {
    const b = bench()
    let go = (): void => undefined
    const store = {
      ...b.inner,
      open: () => new Promise<void>((resolve) => (go = resolve)),
      close: () => Promise.reject(new Error('the connection is gone')),
    }
    const guard = b.guard.internals.twin((options) => ({ ...options, store }))
    const opening = refusalOf(guard.open())
    const closing = guard.close().catch((error: unknown) => error)
    go()
    expect(facts(await b.until(opening))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await b.until(closing)).toMatchObject({ message: 'the connection is gone' })
  })

  it('while it opens keeps no timer', async () => {
    const b = bench()
    let go = (): void => undefined
    b.spool.reserve = () => new Promise((resolve) => (go = resolve))
    const open = b.guard.open().catch(() => undefined)
    await settle()
    const closed = b.guard.close()
    go()
    await b.until(Promise.all([open, closed]))
    expect(b.time.timers()).toEqual([])
  })
})

describe('a read whose caller has given up', () => {
  it('is not made', async () => {
    const b = bench()
    let reads = 0
    const read = b.tool({
      effect: 'read',
      identity: undefined,
      recovery: undefined,
      ignore: undefined,
      errors: undefined,
      execute: () => (reads += 1),
    })
    const signal = AbortSignal.abort()
    expect(await refusalOf(b.until(read({ ref: 'a' }, { signal })))).toMatchObject({
      code: 'CANCELLED',
      effect: 'none',
    })
    expect(reads).toBe(0)
  })
})
