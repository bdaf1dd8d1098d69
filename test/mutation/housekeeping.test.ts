import { describe, expect, it } from 'vitest'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench } from './bench.ts'

const alarms = (b: Bench): unknown[] => b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)
const hold = async (b: Bench, options: object = {}) => {
  const tool = b.tool({ timeout: '10m', ...options })
  b.downstream.plan('a', 'hold')
  const call = tool.perform({ ref: 'a' })
  call.catch(() => undefined)
  await settle()
  return { tool, call, key: b.guard.internals.name(tool.contract, { ref: 'a' }).key }
}

describe('the heartbeat', () => {
  it('renews the lease every ten seconds while the work runs, and stops with it', async () => {
    const b = bench()
    const { call, key } = await hold(b)
    const start = b.time.storeMs()
    await b.time.advance(9_900)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 30_000)
    await b.time.advance(200)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 40_000)
    await b.time.advance(9_800)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 40_000)
    await b.time.advance(200)
    expect(b.recordOf(key)?.leaseUntil).toBe(start + 50_000)
    await b.time.advance(100_000)
    expect(b.recordOf(key)?.state).toBe('executing')
    b.downstream.release('a')
    expect(await b.until(call)).toMatchObject({ status: 'committed', recorded: true })
    const beats = async () => (await b.history(key)).filter((step) => step.startsWith('heartbeat')).length
    expect(await beats()).toBe(12)
    await b.time.advance(60_000)
    expect(await beats()).toBe(12)
  })

  it('may send longer with each: the lease counts from before the beat', async () => {
    const b = bench()
    const sent: boolean[] = []
    const tool = b.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        for (let i = 0; i < 6; i += 1) {
          await new Promise<void>((resolve) => b.time.after(12_000, resolve))
          try {
            context.checkpoint()
            sent.push(true)
          } catch {
            sent.push(false)
          }
        }
        return 1
      },
    })
    await b.until(tool({ ref: 'a' }) as Promise<unknown>)
    expect(sent).toEqual([true, true, true, true, true, true])
    const away = bench()
    sent.length = 0
    const other = away.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        away.trouble.request = (verb) => {
          if (verb === 'write') throw unavailable()
        }
        for (const wait of [29_999, 1]) {
          await new Promise<void>((resolve) => away.time.after(wait, resolve))
          try {
            context.checkpoint()
            sent.push(true)
          } catch {
            sent.push(false)
          }
        }
        away.trouble.request = () => undefined
        return 1
      },
    })
    await away.until(other({ ref: 'a' }).catch(() => undefined) as Promise<unknown>)
    expect(sent).toEqual([true, false])
  })

  it('that finds the record taken stops the next byte', async () => {
    const b = bench()
    let check = (): void => {}
    const tool = b.tool({
      timeout: '10m',
      execute: async (_input: unknown, context: { checkpoint(): void }) => {
        check = () => context.checkpoint()
        await new Promise<void>((resolve) => b.time.after(60_000, resolve))
        return 1
      },
    })
    const call = tool.perform({ ref: 'a' })
    await settle()
    const { key } = b.record(tool, { ref: 'a' })!
    check()
    b.time.stepStore(31_000)
    await b.until(bench({ beside: b }).guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    check()
    await b.time.advance(10_000)
    expect(() => check()).toThrow(expect.objectContaining({ code: 'CANCELLED' }) as Error)
    expect(await b.until(call)).toMatchObject({ status: 'committed' })
  })

  it('does not pile up on a slow store', async () => {
    const b = bench({ settings: { storeDeadlineMs: 25_000 } })
    const { call } = await hold(b)
    let beats = 0
    b.trouble.request = (verb) => {
      if (verb !== 'write') return undefined
      beats += 1
      return new Promise((resolve) => b.time.after(20_000, () => resolve(undefined)))
    }
    await b.time.advance(29_000)
    expect(beats).toBe(1)
    await b.time.advance(2_000)
    expect(beats).toBe(2)
    b.trouble.request = () => undefined
    b.downstream.release('a')
    await b.until(call)
  })
})

describe('the sweep', () => {
  it('brings what a dead process left to a doubt, and tells it', async () => {
    const b = bench()
    const { key } = await hold(b)
    b.time.stepStore(29_999)
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('executing')
    b.time.stepStore(1)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
    expect(other.events.filter(({ name }) => name === 'doubt')).toEqual([
      expect.objectContaining({ key, reason: 'lease-over', ticket: key.slice(4, 16) }),
    ])
    await b.until(other.guard.internals.tick())
    expect(other.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
  })

  it('releases a claim whose owner went away before it sent anything', async () => {
    const b = bench()
    const tool = b.tool({ prepare: () => new Promise(() => undefined) })
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    const { key } = b.record(tool, { ref: 'a' })!
    b.time.stepStore(29_999)
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('claimed')
    b.time.stepStore(1)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'released', owner: 'host/boot/2/1', input: '{"ref":"a"}' })
    expect(await b.history(key)).toEqual(['T1 absent>claimed', 'T4 claimed>claimed', 'T3 claimed>released'])
    expect((await b.inner.history(key, 'default')).at(-1)?.why).toContain('owner went away')
  })

  it('but not under a mark, nor when the loss shows only now', async () => {
    for (const when of ['before', 'during'] as const) {
      const b = bench()
      const tool = b.tool({ prepare: () => new Promise(() => undefined) })
      void tool({ ref: 'a' }).catch(() => undefined)
      await settle()
      const { key } = b.record(tool, { ref: 'a' })!
      b.time.stepStore(30_000)
      const other = bench({ beside: b, self: 'host/boot/2/1' })
      await other.guard.open()
      const mark = { at: b.time.storeMs(), lossFrom: 0, why: 'test' }
      if (when === 'before') await b.inner.markAmnesia(mark)
      else other.trouble.request = (verb) => (verb === 'write' ? b.inner.markAmnesia(mark) : undefined)
      await b.until(other.guard.internals.tick())
      expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'amnesia' })
    }
  })

  it('recovers what recovers by itself, each once at a time, for tools that are registered here', async () => {
    const b = bench()
    let asked = 0
    const recovery = {
      class: 'probe',
      settleMs: 0,
      probe: async () => {
        asked += 1
        await new Promise<void>((resolve) => b.time.after(5_000, resolve))
        return { found: true, value: { id: 7, ref: 'a' } }
      },
    }
    const tool = b.tool({ recovery })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      // The caller leaves before the recovery.
      if (point === 'doubted') throw coded('crash')
    }
    await b.until(tool({ ref: 'a' }).catch(() => undefined))
    b.fault = () => undefined
    const { key } = b.record(tool, { ref: 'a' })!
    const stranger = bench({ beside: b })
    await b.until(stranger.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    const newer = bench({ beside: b })
    newer.tool({ recovery, version: 2 })
    await b.until(newer.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('in-doubt')
    await b.guard.internals.tick()
    await b.guard.internals.tick()
    expect(b.recordOf(key)?.state).toBe('recovering')
    expect(asked).toBe(1)
    await b.time.advance(5_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'committed', outcome: { text: '{"id":7,"ref":"a"}' } })
    expect(alarms(b)).toEqual([])
  })

  it('tells a recovery that failed, and begins it again', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'keyed', windowMs: 86_400_000, settleMs: 0 } })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      if (point === 'doubted' || point === 'before-resend') throw coded('crash')
    }
    await b.until(tool({ ref: 'a' }).catch(() => undefined))
    const { key } = b.record(tool, { ref: 'a' })!
    await b.guard.internals.tick()
    await settle()
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([
      { name: 'alarm', key, tenant: 'default', tool: 'place_order', run: undefined, message: 'recovery failed: crash' },
    ])
    b.fault = () => undefined
    // Its lease runs out first.
    await b.time.advance(33_000)
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('goes on where it stopped when there is more than a sweep holds', async () => {
    const b = bench()
    const pages: unknown[] = []
    b.trouble.answer = (verb, args) => {
      if (verb !== 'due') return undefined
      pages.push(args)
      return { records: [], next: `${pages.length}`, now: b.time.storeMs() }
    }
    await b.until(b.guard.internals.tick())
    expect(pages).toEqual(Array.from({ length: 10 }, (_, i) => [200, i === 0 ? undefined : `${i}`]))
    await b.until(b.guard.internals.tick())
    expect(pages).toHaveLength(20)
    expect(pages[10]).toEqual([200, '10'])
    b.trouble.answer = (verb) => (verb === 'due' ? { records: [], next: undefined, now: b.time.storeMs() } : undefined)
    await b.until(b.guard.internals.tick())
  })

  it('runs every second by itself, and tells what fails but no absence', async () => {
    const b = bench()
    await b.guard.open()
    let sweeps = 0
    b.trouble.request = (verb) => {
      if (verb === 'due') sweeps += 1
    }
    await b.time.advance(5_000)
    expect(sweeps).toBe(5)
    b.trouble.request = (verb) => {
      if (verb === 'due') throw unavailable()
    }
    await b.time.advance(2_000)
    expect(alarms(b)).toEqual([])
    b.trouble.request = () => undefined
    b.trouble.answer = (verb) => (verb === 'due' ? { records: undefined } : undefined)
    await b.time.advance(1_000)
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([
      expect.objectContaining({
        key: '',
        tenant: '',
        tool: '',
        message: expect.stringContaining('housekeeping failed'),
      }),
    ])
    b.trouble.answer = () => undefined
    expect(b.time.timers().every(({ background }) => background)).toBe(true)
  })

  it('drains the spool before it looks for lapsed leases', async () => {
    const b = bench()
    const { key, call } = await hold(b)
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    b.downstream.release('a')
    await b.until(call)
    expect(b.spool.entries).toHaveLength(1)
    const other = bench({ beside: b, self: 'host/boot/3/1' })
    other.spool.entries.push(...b.spool.entries, { ...b.spool.entries[0]!, key: 'of1_unknown' })
    b.time.stepStore(60_000)
    await b.until(other.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(other.spool.entries).toEqual([])
    expect((await b.inner.history(key, 'default')).at(-1)).toMatchObject({
      transition: 'T5',
      why: 'spool of host/boot/1/1',
      who: 'host/boot/3/1',
    })
  })
})

describe('retention', () => {
  it('expires outcomes and deletes what did nothing, every thirtieth round', async () => {
    const b = bench()
    const tool = b.tool({ retention: '2h', retryHorizon: '1h' })
    await b.until(tool({ ref: 'a' }))
    b.downstream.plan('b', 'refuse')
    await refusalOf(b.until(tool({ ref: 'b' })))
    const [a, refused] = ['a', 'b'].map((ref) => b.record(tool, { ref })!.key) as [string, string]
    b.time.stepStore(3_600_000 - 30_000)
    await b.time.advance(29_000)
    b.time.stepStore(10_000)
    expect(b.recordOf(refused)?.state).toBe('rejected')
    await b.time.advance(61_000)
    expect(b.recordOf(refused)).toBeUndefined()
    expect(b.recordOf(a)?.state).toBe('committed')
    b.time.stepStore(3_600_000)
    await b.time.advance(31_000)
    expect(b.recordOf(a)).toMatchObject({ state: 'expired', outcome: undefined, input: undefined })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect(await b.until(tool({ ref: 'b' }))).toEqual({ id: 1, ref: 'b' })
  })

  it('goes page by page', async () => {
    const b = bench()
    await b.guard.open()
    const pages: unknown[] = []
    b.trouble.answer = (verb, args) => {
      if (verb !== 'closed') return undefined
      pages.push(args)
      return { records: [], next: pages.length === 1 ? 'next' : undefined, now: b.time.storeMs() }
    }
    await b.time.advance(90_000)
    expect(pages).toEqual([
      [500, undefined],
      [500, 'next'],
      [500, undefined],
    ])
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
    const tool = b.tool({ recovery })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      if (point === 'doubted') throw coded('crash')
    }
    await b.until(tool({ ref: 'a' }).catch(() => undefined))
    b.fault = () => undefined
    await b.guard.internals.tick()
    const began = b.time.bootMs()
    await b.until(b.guard.close())
    expect(b.time.bootMs() - began).toBe(1_500)
    await b.inner.open()
    expect(b.record(tool, { ref: 'a' })?.state).toBe('committed')
  })

  it('but not for ever', async () => {
    const b = bench()
    const tool = b.tool({ recovery: { class: 'probe', settleMs: 0, probe: () => new Promise(() => undefined) } })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      if (point === 'doubted') throw coded('crash')
    }
    await b.until(tool({ ref: 'a' }).catch(() => undefined))
    b.fault = () => undefined
    await b.guard.internals.tick()
    const began = b.time.bootMs()
    await b.until(b.guard.close())
    expect(b.time.bootMs() - began).toBe(2_000)
  })
})

describe('notes of duplicates', () => {
  it('are counted by what they got, and written once', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a', amount: 1 }))
    for (let i = 0; i < 3; i += 1) await b.until(tool({ ref: 'a', amount: 1 }))
    await refusalOf(b.until(tool({ ref: 'a', amount: 2 })))
    const record = b.record(tool, { ref: 'a' })!
    await b.until(b.guard.internals.tick())
    await b.until(b.guard.internals.tick())
    const history = await b.inner.history(record.key, 'default')
    expect(history.slice(2)).toEqual([
      {
        transition: 'duplicate',
        from: 'committed',
        to: 'committed',
        fence: record.fence,
        nonce: record.nonce,
        who: 'host/boot/1/1',
        why: 'replayed × 3, refused × 1',
        openSends: 0,
        at: b.time.storeMs(),
      },
    ])
  })
})
