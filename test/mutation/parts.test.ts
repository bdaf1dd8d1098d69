import { expect, it } from 'vitest'
import { UnsentError } from '../../src/engine/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench } from './bench.ts'

const DECLINED = coded('DECLINED')

/** A tool that reads this error as "nothing happened", around what it calls. */
const parentOf = (b: Bench, work: () => Promise<unknown>, options: Partial<Record<string, unknown>> = {}) =>
  b.tool({
    name: 'checkout',
    execute: async () => {
      await work()
      throw DECLINED
    },
    ...options,
  })

const stateOf = (b: Bench, tool: ReturnType<typeof parentOf>) => b.record(tool, { ref: 'p' })?.state

it.each([
  ['refusal', DECLINED, undefined],
  ['proof that nothing was sent', new UnsentError('refused connection'), undefined],
  ['refusal', DECLINED, { class: 'composite' }],
] as const)('a %s is none of what a part has done', async (_, error, recovery) => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  const execute = async (): Promise<never> => {
    await part({ ref: 'a' })
    throw error
  }
  const parent = parentOf(b, async () => undefined, { execute, ...(recovery === undefined ? {} : { recovery }) })
  const told = await refusalOf(b.until(parent({ ref: 'p' })))
  expect(facts(told)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  expect(b.downstream.effects('a')).toBe(1)
  const { key } = b.record(part, { ref: 'a' })!
  expect(b.record(parent, { ref: 'p' })).toMatchObject({ state: 'in-doubt', openSends: expect.any(Number) as number })
  expect(b.record(parent, { ref: 'p' })!.evidence[0]!.what).toContain(`, beside its part reserve (${key.slice(4, 16)})`)
})

it('what was refused to every part is a refusal of the whole', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  b.downstream.plan('a', 'refuse')
  const parent = parentOf(b, () => part({ ref: 'a' }).catch(() => undefined))
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'REJECTED', effect: 'none' })
  expect([stateOf(b, parent), b.downstream.effects('a')]).toEqual(['rejected', 0])
})

it('what a call of its own had done before is not the doing of the whole', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  await b.until(part({ ref: 'a' }))
  const parent = parentOf(b, () => part({ ref: 'a' }))
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'REJECTED', effect: 'none' })
  expect([stateOf(b, parent), b.downstream.effects('a')]).toEqual(['rejected', 1])
})

it('a part that was undone again stands no more', async () => {
  const b = bench()
  let undone = 0
  const part = b.tool({ name: 'reserve', compensate: () => void (undone += 1) })
  const parent = parentOf(b, async () => {
    await part({ ref: 'a' })
    await part.compensate({ ref: 'a' })
  })
  const told = facts(await refusalOf(b.until(parent({ ref: 'p' }))))
  expect(told).toMatchObject({ code: 'REJECTED', effect: 'none' })
  expect([stateOf(b, parent), undone]).toEqual(['rejected', 1])
})

it('the undo of what a call of its own had done is the doing of the whole', async () => {
  const b = bench()
  let undone = 0
  const part = b.tool({ name: 'reserve', compensate: () => void (undone += 1) })
  await b.until(part({ ref: 'a' }))
  const parent = parentOf(b, () => part.compensate({ ref: 'a' }))
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  expect([stateOf(b, parent), undone]).toEqual(['in-doubt', 1])
})

it('a part that still runs may come to stand', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  b.downstream.plan('a', 'hold')
  const parent = parentOf(b, async () => {
    void part({ ref: 'a' })
    await settle()
  })
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  b.downstream.release('a')
  await settle()
  expect([stateOf(b, parent), b.downstream.effects('a')]).toEqual(['in-doubt', 1])
})

it('a part whose ledger does not answer may stand', async () => {
  const b = bench()
  const other = bench({ guarantees: { localReads: false } })
  const part = other.tool({ name: 'reserve' })
  const parent = parentOf(b, async () => {
    await part({ ref: 'a' })
    other.trouble.request = () => {
      throw unavailable()
    }
  })
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  expect([stateOf(b, parent), other.downstream.effects('a')]).toEqual(['in-doubt', 1])
})

it('a part of one name in two ledgers is looked for in both', async () => {
  const b = bench()
  const other = bench()
  const [refused, done] = [b, other].map((one) => one.tool({ name: 'reserve' }))
  b.downstream.plan('a', 'refuse')
  const parent = parentOf(b, async () => {
    await refused!({ ref: 'a' }).catch(() => undefined)
    await done!({ ref: 'a' })
  })
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  expect([stateOf(b, parent), other.downstream.effects('a')]).toEqual(['in-doubt', 1])
})

it('a part that was begun under a name that is older here stands', async () => {
  const past = bench({ keySecret: 'old', previousSecrets: ['new'] })
  const now = bench({ beside: past, keySecret: 'new', previousSecrets: ['old'], self: 'host/boot/2/2' })
  now.downstream.plan('a', 'refuse')
  await refusalOf(now.until(now.tool({ name: 'reserve' })({ ref: 'a' })))
  const part = past.tool({ name: 'reserve' })
  const parent = parentOf(past, () => part({ ref: 'a' }))
  expect(facts(await refusalOf(past.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT' })
  expect([past.record(part, { ref: 'a' })?.state, past.downstream.effects('a')]).toEqual(['superseded', 1])
})

it('a refusal that comes after the deadline takes no doubt back that a part leaves', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  const parent = parentOf(
    b,
    async () => {
      await part({ ref: 'a' })
      await new Promise<void>((resolve) => b.time.after(2_000, resolve))
    },
    { timeout: '1s' },
  )
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  await b.time.advance(5_000)
  expect([stateOf(b, parent), b.downstream.effects('a')]).toEqual(['in-doubt', 1])
})

it('a part may be recorded in another ledger than the whole, which remembers it', async () => {
  const b = bench()
  const other = bench()
  const part = other.tool({ name: 'reserve' })
  let runs = 0
  const parent = b.tool({
    name: 'checkout',
    recovery: { class: 'composite' },
    execute: async () => {
      runs += 1
      await part({ ref: runs < 3 ? 'a' : 'another' })
      if (runs === 1) throw coded('ECONNRESET')
      return { id: 1, ref: 'p' }
    },
  })
  expect(await b.until(parent({ ref: 'p' }))).toEqual({ id: 1, ref: 'p' })
  const { key } = other.record(part, { ref: 'a' })!
  expect(b.record(parent, { ref: 'p' })!.children).toEqual([key])
  expect([runs, other.downstream.effects('a')]).toEqual([2, 1])
})

it('a composite whose parts come in another order each time it runs again is a person’s, who lets it begin anew', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  let runs = 0
  let fails = true
  const parent = b.tool({
    name: 'checkout',
    recovery: { class: 'composite' },
    execute: async () => {
      runs += 1
      await Promise.all((runs === 1 ? ['a', 'b'] : ['b', 'a']).map((ref) => part({ ref })))
      if (fails) throw coded('ECONNRESET')
      return { id: 1, ref: 'p' }
    },
  })
  const begunAt = b.time.bootMs()
  const told = await refusalOf(b.until(parent({ ref: 'p' })))
  expect(facts(told)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown', details: { reason: 'diverged' } })
  expect(told.message).toContain('settled by a person, since its parts no longer come as they were recorded')
  // Before its wait budget is over, and nothing runs it again.
  expect(b.time.bootMs() - begunAt).toBeLessThan(10_000)
  await b.time.advance(3_600_000)
  expect(runs).toBe(6)
  expect(facts(await refusalOf(b.until(parent({ ref: 'p' }))))).toMatchObject({ details: { reason: 'diverged' } })
  const { key } = b.record(parent, { ref: 'p' })!
  await b.until(b.guard.ledger.resolve(key, { verdict: 'released', who: 'ada', note: 'n' }))
  fails = false
  expect(await b.until(parent({ ref: 'p' }))).toEqual({ id: 1, ref: 'p' })
  expect([runs, b.downstream.effects('a'), b.downstream.effects('b')]).toEqual([7, 1, 1])
})

it('a composite whose parts came in another order once goes on by itself', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  let runs = 0
  const parent = b.tool({
    name: 'checkout',
    recovery: { class: 'composite' },
    execute: async () => {
      runs += 1
      await Promise.all((runs === 2 ? ['b', 'a'] : ['a', 'b']).map((ref) => part({ ref })))
      if (runs === 1) throw coded('ECONNRESET')
      return { id: 1, ref: 'p' }
    },
  })
  expect(await b.until(parent({ ref: 'p' }))).toEqual({ id: 1, ref: 'p' })
  expect([runs, b.downstream.effects('a'), b.downstream.effects('b')]).toEqual([3, 1, 1])
})

it('a doubt in which a part of a composite diverged is not one of the whole', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  let runs = 0
  const inner = b.tool({
    name: 'inner',
    recovery: { class: 'composite' },
    execute: async () => {
      runs += 1
      await part({ ref: runs === 1 ? 'a' : 'b' })
      throw coded('ECONNRESET')
    },
  })
  const outer = parentOf(b, () => inner({ ref: 'i' }), { recovery: { class: 'composite' } })
  expect(await refusalOf(b.until(outer({ ref: 'p' })))).toMatchObject({ code: 'IN_DOUBT' })
  expect(b.record(inner, { ref: 'i' })?.reason).toBe('diverged')
  expect(b.record(outer, { ref: 'p' })?.reason).toBe('threw')
})

it('a composite that fails whenever it is run again leaves a person the time to say "not done"', async () => {
  const b = bench()
  const part = b.tool({ name: 'reserve' })
  const parent = parentOf(b, () => part({ ref: 'a' }), { recovery: { class: 'composite' }, errors: [] })
  await refusalOf(b.until(parent({ ref: 'p' })))
  const { key } = b.record(parent, { ref: 'p' })!
  const said = { verdict: 'released', who: 'ann', note: 'reserved, and that is all' } as const
  let state: string = 'in-doubt'
  // Every quarter of a minute for an hour.
  for (let n = 0; n < 240 && state !== 'released'; n += 1) {
    await b.time.advance(15_000)
    state = await b.guard.ledger.resolve(key, said).then(
      (record) => record.state,
      () => 'held',
    )
  }
  expect([state, b.downstream.effects('a')]).toEqual(['released', 1])
})
