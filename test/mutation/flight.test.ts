import { describe, expect, it } from 'vitest'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { keyed, pair } from './corners.ts'

const input = { ref: 'a' }
const countOf = (b: Bench, verb: string): { reads: number } => {
  const counted = { reads: 0 }
  b.trouble.request = (asked) => {
    if (asked === verb) counted.reads += 1
  }
  return counted
}

/** An operation that a first engine holds before its marker; `fail` gives it back. */
async function prepared(given: OrderInput = input) {
  const [a, b] = await pair()
  let fail = (): void => {}
  const prepare = (): Promise<never> => new Promise((_resolve, reject) => (fail = () => reject(coded('EAGAIN'))))
  void a
    .tool({ prepare })(given)
    .catch(() => undefined)
  await settle()
  return { a, b, fail: () => fail() }
}

describe('a call with other values of what must match', () => {
  it('that comes before the marker is refused when the marker stands, not when the first call ends', async () => {
    const b = bench()
    let ready = (): void => {}
    const tool = b.tool({ timeout: '10m', prepare: () => new Promise<void>((resolve) => (ready = () => resolve())) })
    b.downstream.plan('a', 'hold')
    const first = tool.perform({ ref: 'a', amount: 1 })
    await settle()
    const second = refusalOf(tool({ ref: 'a', amount: 2 }))
    await settle()
    ready()
    const began = b.time.bootMs()
    expect(facts(await b.until(second))).toMatchObject({ code: 'KEY_REUSED', details: { fields: ['amount'] } })
    expect(b.time.bootMs()).toBe(began)
    b.downstream.release('a')
    expect(await b.until(first)).toMatchObject({ status: 'committed' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('is refused at once while this process waits for what another executes', async () => {
    const [a, b] = await pair()
    a.downstream.plan('a', 'hold')
    void a.tool({ timeout: '10m' })({ ref: 'a', amount: 1 })
    await settle()
    const tool = b.tool({ timeout: '10m' })
    const waiting = tool.perform({ ref: 'a', amount: 1 })
    await settle()
    const began = b.time.bootMs()
    expect(await refusalOf(b.until(tool({ ref: 'a', amount: 2 })))).toMatchObject({ code: 'KEY_REUSED' })
    expect(b.time.bootMs()).toBe(began)
    a.downstream.release('a')
    expect(await b.until(waiting)).toMatchObject({ status: 'committed', replayed: true })
  })

  it('waits while another only claims it: it may be given back', async () => {
    const { b, fail } = await prepared({ ref: 'a', amount: 1 })
    const call = b.tool().perform({ ref: 'a', amount: 2 })
    await b.time.advance(1_000)
    fail()
    expect(await b.until(call)).toMatchObject({ status: 'committed', replayed: false })
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('an operation of an older major', () => {
  it('is replayed where the contract says so, but not before it is done', async () => {
    const [a, b] = await pair()
    a.downstream.plan('a', 'hold')
    const first = a.tool({ timeout: '10m' }).perform(input)
    await settle()
    const newer = b.tool({ version: 2, replaysFrom: [1] })
    expect(facts(await refusalOf(b.until(newer(input))))).toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' }) // prettier-ignore
    a.downstream.release('a')
    await a.until(first)
    expect(await b.until(newer.perform(input))).toMatchObject({ status: 'committed', replayed: true })
  })
})

describe('a flight', () => {
  it('does not run what another gave back when its own caller is gone by then', async () => {
    const { b, fail } = await prepared()
    const tool = b.tool()
    const error = await refusalOf(b.until(tool(input, { waitMs: 100 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', details: { state: 'claimed' } })
    fail()
    await b.time.advance(5_000)
    expect(b.record(tool, input)?.state).toBe('released')
    expect(b.downstream.effects('a')).toBe(0)
  })

  it('brings a lease that ends now to a doubt now', async () => {
    const [a, b] = await pair()
    a.downstream.plan('a', 'hold')
    const tool = a.tool({ timeout: '10m' })
    void tool(input).catch(() => undefined)
    await settle()
    const { leaseUntil } = a.record(tool, input) ?? { leaseUntil: 0 }
    a.time.stepStore(30_000)
    await b.until(b.tool().perform(input, { onDoubt: 'return' }))
    expect(a.record(tool, input)).toMatchObject({ state: 'in-doubt', doubtAt: leaseUntil })
  })

  it('pauses from the eighth turn on, should nothing else make it', async () => {
    const b = bench({ settings: { recoveryBackoffMs: 0 } })
    const tool = b.tool({ recovery: keyed() })
    b.downstream.plan('a', ...Array.from({ length: 11 }, () => 'lose-request' as const))
    const times: number[] = []
    b.fault = (point) => {
      if (point === 'recovering') times.push(b.time.bootMs())
    }
    await b.until(tool(input))
    expect(times.map((time, n) => time - (times[n - 1] ?? time))).toEqual([0, 0, 0, 0, 0, 0, 0, 8, 9, 10, 11])
  })

  it('counts the wait budget from the end of its first attempt, also while it makes another', async () => {
    const b = bench()
    let prepares = 0
    const prepare = (): Promise<void> => {
      prepares += 1
      if (prepares > 1) return new Promise(() => undefined)
      // A pause that its lease does not outlast.
      b.time.pause(31_000)
      return Promise.resolve()
    }
    const began = b.time.bootMs()
    const error = await refusalOf(b.until(b.tool({ prepare })(input, { waitMs: 100 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', details: { state: 'claimed' } })
    expect([prepares, b.time.bootMs() - began]).toEqual([2, 31_100])
  })

  it('looks at the ledger once a second in a pause between two recoveries', async () => {
    const b = bench({ settings: { recoveryBackoffMs: 20_000 } })
    const tool = b.tool({ recovery: keyed() })
    b.downstream.plan('a', 'lose-request', 'lose-request')
    const call = b.until(tool(input, { waitMs: 60_000 }))
    await settle()
    const counted = countOf(b, 'read')
    await call
    expect(counted.reads).toBe(20)
  })

  it('in such a pause tells what was settled elsewhere, and ends where nobody waits any more', async () => {
    const a = bench({ settings: { recoveryBackoffMs: 120_000 } })
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const tool = a.tool({ recovery: keyed() })
    a.downstream.plan('a', 'lose-answer', 'lose-answer')
    expect(facts(await refusalOf(a.until(tool(input))))).toMatchObject({ code: 'IN_DOUBT' })
    const waiting = tool.perform(input)
    await settle()
    const { key } = a.record(tool, input)!
    await b.until(b.guard.ledger.resolve(key, { verdict: 'committed', who: 'ada', note: 'seen' }))
    const began = a.time.bootMs()
    expect(await a.until(waiting)).toMatchObject({ status: 'committed', replayed: true })
    expect([a.time.bootMs() - began <= 1_000, a.downstream.effects('a')]).toEqual([true, 1])
  })

  it('tells what is wrong with the ledger as "no effect" where its claim was refused before', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2', guarantees: { localReads: false } })
    await b.until(b.guard.open())
    a.downstream.plan('a', 'hold')
    void a.tool({ timeout: '10m' })(input)
    await settle()
    b.trouble.request = (verb) => {
      if (verb === 'read') throw unavailable()
    }
    expect(await refusalOf(b.until(b.tool()(input)))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
  })

  it('answers a claim that was refused from what refused it, without another look', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2', guarantees: { localReads: false } })
    await b.until(b.guard.open())
    await a.until(a.tool()(input))
    const counted = countOf(b, 'read')
    expect(await b.until(b.tool().perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(counted.reads).toBe(0)
  })

  it.each([
    ['another error', coded('broken')],
    ['an error of unknown effect', new OnefoldError('IN_PROGRESS', 'later', { effect: 'unknown' })],
  ])('tells %s after its own doubt as it is', async (_what, error) => {
    const b = bench()
    const tool = b.tool({ recovery: keyed() })
    b.downstream.plan('a', 'lose-answer')
    b.fault = (point) => {
      if (point === 'recovering') throw error
    }
    await expect(b.until(tool(input))).rejects.toBe(error)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('tells what it sent as in doubt when it is overtaken and the ledger goes away', async () => {
    const [b, other] = await pair()
    let fail = (): void => {}
    const execute = (): Promise<never> => new Promise((_resolve, reject) => (fail = () => reject(coded('ECONNRESET'))))
    const tool = b.tool({ timeout: '10m', execute })
    const call = tool.perform(input, { onDoubt: 'return' })
    await settle()
    const { key } = b.record(tool, input) ?? { key: '' }
    b.time.stepStore(40_000)
    await other.until(other.guard.internals.tick())
    await other.guard.ledger.resolve(key, { verdict: 'committed', who: 'ada', note: 'n' })
    b.fault = (point) => {
      if (point !== 'doubted') return
      b.trouble.request = (verb) => {
        if (verb === 'read') throw unavailable()
      }
    }
    fail()
    expect(await b.until(call)).toMatchObject({ status: 'in-doubt', record: { state: 'in-doubt', attempts: 1 } })
  })

  it('looks before it claims again once a claim has met a duplicate', async () => {
    const a = bench()
    const tool = a.tool()
    for (let n = 0; n < 64; n += 1) await a.until(tool({ ref: `r${n}` }))
    const counted = countOf(a, 'read')
    await a.until(tool({ ref: 'new' }))
    expect(counted.reads).toBe(0)
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    await b.until(b.tool()({ ref: 'theirs' }))
    await a.until(tool({ ref: 'theirs' }))
    const before = counted.reads
    await a.until(tool({ ref: 'newer' }))
    expect(counted.reads).toBe(before + 1)
  })
})

describe('a caller who joins while everybody else leaves', () => {
  it.each(Array.from({ length: 24 }, (_, n) => [n]))(
    '%i turns later is answered, and nothing happens twice',
    async (turns) => {
      const [a, b] = await pair({ guarantees: { localReads: false } })
      const [first, second] = [a.tool({ timeout: '10m' }), b.tool({ timeout: '10m' })]
      a.downstream.plan('a', 'hold')
      const done = first({ ref: 'a' })
      await settle()
      // Its caller goes; it looks once more.
      expect(await refusalOf(b.until(second({ ref: 'a' }, { waitMs: 10 })))).toMatchObject({ code: 'IN_PROGRESS' })
      let joined: Promise<unknown> | undefined
      b.trouble.answer = (verb) => {
        if (verb !== 'read' || joined !== undefined) return undefined
        joined = (async () => {
          for (let n = 0; n < turns; n += 1) await Promise.resolve()
          return await second({ ref: 'a' }, { waitMs: 10 }).catch((error: unknown) => error)
        })()
        return undefined
      }
      await b.time.advance(60_000)
      expect(await b.until(joined ?? Promise.resolve('never asked'))).toMatchObject({ code: 'IN_PROGRESS' })
      a.downstream.release('a')
      await a.until(done)
      expect(await b.until(second({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
      expect(a.downstream.effects('a')).toBe(1)
    },
  )
})
