import { describe, expect, it } from 'vitest'
import type { Contract } from '../../src/contract/index.ts'
import { carryRun, createGuard, runFrom, type Processes } from '../../src/engine/index.ts'
import { bench, contractOf, facts, refusalOf, settle, unavailable, type Bench } from './bench.ts'
import { alarms, keyed, pair, probing } from './corners.ts'

const input = { ref: 'a' }
const contractInput = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } }

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

  it('that two engines begin at once happens once, and both hear that it is done', async () => {
    const [a, b] = await pair()
    const undone: unknown[] = []
    const toolOn = (on: Bench) => on.tool({ compensate: (value: unknown) => void undone.push(value) })
    const here = toolOn(a)
    const there = toolOn(b)
    await a.until(here(input))
    const begun = (): boolean => a.record(here, input)?.state !== 'committed'
    for (const until of ['compensating', 'compensated']) {
      let met = false
      a.trouble.request = async (verb) => {
        if (verb !== 'write' || met) return
        met = true
        const other = there.compensate(input)
        if (until === 'compensated') await b.until(other)
        else while (!begun()) await settle()
      }
      await a.until(here.compensate(input))
    }
    expect(undone).toEqual([{ id: 1, ref: 'a' }])
    expect(a.record(here, input)?.state).toBe('compensated')
  })

  it.each([
    ['and is found again', 29],
    ['and has expired by now', 31],
  ])('that happened %s is recorded by whoever asks again', async (_what, days) => {
    const b = bench()
    let undone = 0
    const tool = b.tool({ retention: '30d', compensate: () => void (undone += 1) })
    await b.until(tool(input))
    b.trouble.request = (verb, args) => {
      const { draft } = (args[0] ?? {}) as { draft?: { state?: string } }
      if (verb === 'write' && draft?.state === 'compensated') throw unavailable()
    }
    expect(await refusalOf(b.until(tool.compensate(input)))).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'unknown',
      retryable: true,
    })
    b.trouble.request = () => undefined
    b.time.stepStore(days * 86_400_000)
    await b.until(b.guard.ledger.purge())
    await b.until(tool.compensate(input))
    expect([undone, b.record(tool, input)?.state]).toEqual([1, 'compensated'])
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

  it.each([
    ['a shared ledger', false],
    ['a ledger on this machine', true],
  ])('asks whether an owner is dead as %s allows', async (_ledger, localReads) => {
    const asked: boolean[] = []
    const processes: Processes = {
      self: 'host/boot/1/1',
      isDead: (_owner, isLocal) => {
        asked.push(isLocal)
        return false
      },
    }
    const b = bench({ processes, guarantees: { localReads } })
    b.downstream.plan('a', 'lose-answer')
    await b.until(b.tool({ recovery: probing(b) }).perform(input, { waitMs: 0, onDoubt: 'return' }))
    expect(new Set(asked)).toEqual(new Set([localReads]))
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
