import { describe, expect, it } from 'vitest'
import { thrownBy } from '../vectors/attempt.ts'
import { bench, facts, refusalOf, settle, type Bench } from './bench.ts'
import { doubted, keyed } from './corners.ts'

async function recorded(refs: readonly string[]) {
  const b = bench()
  const tool = b.tool()
  for (const ref of refs) await b.until(tool({ ref }))
  return { b, tool, keyOf: (ref: string) => b.guard.internals.name(tool.contract, { ref }).key }
}

const shown = async (b: Bench, key: string) => (await b.guard.ledger.show(key)).record

/** What is asked of the store while `look` runs. */
async function askedBy(b: Bench, look: () => Promise<unknown>): Promise<readonly string[]> {
  const verbs: string[] = []
  b.trouble.request = (verb) => void verbs.push(verb)
  await look().catch(() => undefined)
  b.trouble.request = () => undefined
  return verbs
}

describe('looking an operation up', () => {
  it('reads it by its key, and searches by less than that', async () => {
    const { b, keyOf } = await recorded(['a', 'b'])
    const { ledger, internals } = b.guard
    const key = keyOf('a')
    for (const name of [key, key.slice(4)])
      expect(await askedBy(b, () => ledger.show(name))).toEqual(['read', 'history'])
    expect(await askedBy(b, () => ledger.show(key.slice(4, 16)))).toEqual(['list', 'history'])
    expect(await askedBy(b, () => internals.operators.show(key, 'default'))).toEqual(['read', 'history'])
    expect(await askedBy(b, () => internals.operators.show(key))).toEqual(['list', 'history'])
  })

  it('of another tenant finds nothing, whatever is given', async () => {
    const { b, keyOf } = await recorded(['a'])
    for (const name of [keyOf('a'), keyOf('a').slice(4, 16)])
      expect(await refusalOf(b.guard.ledger.show(name, 'other'))).toMatchObject({ code: 'KEY_INVALID' })
  })

  it('that two tenants have is refused to operators who name none', async () => {
    const { b, tool, keyOf } = await recorded(['a'])
    const { operators } = b.guard.internals
    const beginning = keyOf('a').slice(0, 5)
    const others = async (): Promise<number> =>
      (await operators.list({ tenant: 'other', keyPrefix: beginning })).records.length
    for (let nth = 1; (await others()) === 0; nth += 1)
      await b.until(b.guard.run({ tenant: 'other' }, () => tool({ ref: `b${nth}` })))
    const error = await refusalOf(operators.show(beginning))
    expect(error).toMatchObject({ code: 'KEY_INVALID', message: expect.stringContaining('Several operations') })
    expect((await operators.show(beginning, 'other')).record.tenant).toBe('other')
  })
})

describe('an export', () => {
  it('begins where it is told to, and goes on from there', async () => {
    const { b, keyOf } = await recorded(['a', 'b', 'c'])
    const { next } = await b.guard.ledger.list({ limit: 1 })
    const found: string[] = []
    for await (const { record } of b.guard.ledger.export({ limit: 1, after: next ?? '' })) found.push(record.key)
    expect(found).toEqual([keyOf('b'), keyOf('c')])
  })
})

describe('a person’s word', () => {
  const doubt = async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const { key } = await refusalOf(b.until(tool({ ref: 'a' })))
    return { b, tool, key: key ?? '' }
  }
  const value = { id: 9, ref: 'a long one' }

  it('with a long result keeps it beside the record', async () => {
    const { b, tool, key } = await doubt()
    const said = { verdict: 'committed', who: 'me', note: 'n', value } as const
    const verbs = await askedBy(b, () => b.guard.ledger.resolve(key, said))
    expect(verbs).toEqual(['read', 'putBlob', 'read', 'write'])
    expect(b.recordOf(key)?.outcome?.kind).toBe('value')
    expect(await b.until(tool({ ref: 'a' }))).toEqual(value)
  })

  it('that it is not known, or that nothing happened, keeps no result', async () => {
    for (const verdict of ['abandoned', 'released'] as const) {
      const { b, key } = await doubt()
      await b.time.advance(60_000)
      const said = { verdict, who: 'me', note: 'n', value }
      expect(await askedBy(b, () => b.guard.ledger.resolve(key, said))).toEqual(['read', 'read', 'write'])
      expect(b.recordOf(key)).toMatchObject({ state: verdict, outcome: undefined })
    }
  })
})

describe('a store that refuses every class', () => {
  it('takes tools that only read', () => {
    const b = bench()
    const guard = b.guard.internals.twin((given) => ({
      ...given,
      store: { ...b.inner, refuses: () => 'it is broken' },
    }))
    const options = { name: 'x', input: b.tool().contract.input, execute: () => 1 }
    const written = { ...options, name: 'y', effect: 'write', identity: 'all', recovery: { class: 'manual' } }
    expect(thrownBy(() => guard.tool({ ...options, effect: 'read' } as never))).toBeUndefined()
    expect(thrownBy(() => guard.tool(written as never))).toMatchObject({ code: 'STORE_UNSAFE' })
  })
})

describe('the ledger', () => {
  const two = async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    b.downstream.plan('b', 'lose-answer')
    await refusalOf(b.until(tool({ ref: 'b' })))
    const key = (ref: string): string => b.record(tool, { ref })!.key
    return { b, tool, key }
  }

  it('counts on where a store counts a part at a time', async () => {
    const { b } = await two()
    const asked: unknown[] = []
    b.trouble.answer = (verb, [, after]) => {
      if (verb !== 'stats') return undefined
      asked.push(after)
      const states = { committed: 1, [after === undefined ? 'released' : 'rejected']: 2 }
      return { states, sizeBytes: 7, ...(after === undefined ? { next: 'more' } : {}) }
    }
    expect(await b.until(b.guard.ledger.stats())).toEqual({
      states: { committed: 2, released: 2, rejected: 2 },
      sizeBytes: 7,
    })
    expect(asked).toEqual([undefined, 'more'])
  })

  it('lists within its tenant, operators see all', async () => {
    const { b } = await two()
    const other = bench({ beside: b, tenant: 'other' })
    expect((await other.guard.ledger.list()).records).toEqual([])
    expect((await other.guard.internals.operators.list()).records).toHaveLength(2)
    expect((await other.guard.ledger.list({ tenant: 'default' })).records).toHaveLength(2)
    // A name that was looked up and not found is no word for all of them.
    expect((await other.guard.ledger.list({ tenant: undefined })).records).toEqual([])
    expect((await b.guard.ledger.list({ states: ['in-doubt'] })).records).toHaveLength(1)
    expect((await other.guard.ledger.stats()).states).toEqual({})
    expect((await other.guard.ledger.stats('default')).states).toEqual({ committed: 1, 'in-doubt': 1 })
    expect((await other.guard.internals.operators.stats()).states).toEqual({ committed: 1, 'in-doubt': 1 })
    expect((await b.guard.ledger.doctor()).length).toBeGreaterThan(0)
  })

  it('shows by key, ticket or any unique beginning', async () => {
    const { b, key } = await two()
    const full = key('a')
    for (const name of [full, full.slice(4), full.slice(4, 16), full.slice(0, 12)])
      expect((await b.guard.ledger.show(name)).record.key).toBe(full)
    expect((await b.guard.ledger.show(full)).history.map(({ transition }) => transition)).toEqual(["T1'", 'T5'])
    expect((await b.guard.internals.operators.show(full)).record.key).toBe(full)
    expect((await b.guard.internals.operators.show(full, 'default')).record.key).toBe(full)
    for (const [name, text] of [
      ['of1_', 'An empty text'],
      [' ', 'An empty text'],
      ['nobody', 'No operation'],
      [`of1_${'A'.repeat(43)}`, 'No operation'],
    ] as const) {
      const error = await refusalOf(b.guard.ledger.show(name))
      expect(error.code).toBe('KEY_INVALID')
      expect(error.message).toContain(text)
    }
    const other = bench({ beside: b, tenant: 'other' })
    expect(await refusalOf(other.guard.ledger.show(full))).toMatchObject({ code: 'KEY_INVALID' })
    expect((await other.guard.ledger.show(full, 'default')).record.key).toBe(full)
  })

  it('a person settles a doubt: it happened', async () => {
    const { b, tool, key } = await two()
    const record = await b.guard.ledger.resolve(key('b'), {
      verdict: 'committed',
      who: 'ada',
      note: 'seen',
      value: { id: 9 },
    })
    expect(record).toMatchObject({ state: 'committed', closedBy: { who: 'ada', note: 'seen' } })
    expect(await b.until(tool({ ref: 'b' }))).toEqual({ id: 9 })
    expect((await b.inner.history(key('b'), 'default')).at(-1)).toMatchObject({
      transition: 'T16',
      who: 'ada',
      why: 'seen',
    })
  })

  it('without a value its replay says that it is missing', async () => {
    const { b, tool, key } = await two()
    await b.guard.ledger.resolve(key('b'), { verdict: 'committed', who: 'ada', note: 'seen' })
    const error = await refusalOf(b.until(tool({ ref: 'b' })))
    expect(facts(error)).toMatchObject({
      code: 'RESULT_EXPIRED',
      effect: 'done',
      key: key('b'),
      ticket: key('b').slice(4, 16),
    })
    expect(await b.until(tool.perform({ ref: 'b' }))).toMatchObject({
      status: 'committed',
      missing: expect.stringContaining('a person') as string,
    })
  })

  it('a word on what was looked at is none on an attempt that was begun since', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer', 'lose-request')
    await refusalOf(b.until(tool({ ref: 'a', amount: 100 })))
    const { key, generation } = b.record(tool, { ref: 'a' })!
    const word = { who: 'ada', note: 'n', generation } as const
    b.time.stepStore(60_000)
    await b.guard.ledger.resolve(key, { ...word, verdict: 'released' })
    await refusalOf(b.until(tool({ ref: 'a', amount: 9_900 })))
    b.time.stepStore(60_000)
    for (const verdict of ['committed', 'released', 'abandoned'] as const) {
      const error = await refusalOf(b.guard.ledger.resolve(key, { ...word, verdict }))
      expect(facts(error)).toMatchObject({ code: 'HELD', effect: 'unknown', key, details: { refusal: 'fence' } })
      expect(error.message).toContain('begun anew since it was looked at')
    }
    const now = b.record(tool, { ref: 'a' })!
    expect([now.state, now.generation]).toEqual(['in-doubt', generation + 1])
    await b.guard.ledger.resolve(key, { ...word, generation: now.generation, verdict: 'committed' })
    expect(b.recordOf(key)?.state).toBe('committed')
  })

  it('“not done” counts once the quarantine is over', async () => {
    const { b, tool, key } = await two()
    const verdict = { verdict: 'released', who: 'ada', note: 'asked' } as const
    await b.time.advance(10_500)
    const error = await refusalOf(b.guard.ledger.resolve(key('b'), verdict))
    expect(facts(error)).toMatchObject({
      code: 'HELD',
      effect: 'unknown',
      retryable: true,
      retryAfterMs: 49_500,
      key: key('b'),
      ticket: key('b').slice(4, 16),
      details: { state: 'in-doubt', refusal: 'quarantine' },
    })
    expect(error.message).toContain('50 s')
    await b.time.advance(49_500)
    expect(await b.guard.ledger.resolve(key('b'), verdict)).toMatchObject({ state: 'released' })
    expect(await b.until(tool({ ref: 'b' }))).toEqual({ id: 2, ref: 'b' })
  })

  it('the quarantine is that of the program which made the attempt, where that is longer', async () => {
    const made = bench({ settings: { quarantineMs: 600_000 } })
    made.downstream.plan('a', 'lose-answer')
    const tool = made.tool()
    await refusalOf(made.until(tool({ ref: 'a' })))
    const { key, quarantineMs } = made.record(tool, { ref: 'a' })!
    expect(quarantineMs).toBe(600_000)
    const other = bench({ beside: made, self: 'host/boot/2/2' })
    const verdict = { verdict: 'released', who: 'ada', note: 'asked' } as const
    await made.time.advance(61_000)
    const error = await refusalOf(other.guard.ledger.resolve(key, verdict))
    expect(facts(error)).toMatchObject({ code: 'HELD', retryAfterMs: 539_000, details: { refusal: 'quarantine' } })
    await made.time.advance(539_000)
    expect(await other.guard.ledger.resolve(key, verdict)).toMatchObject({ state: 'released' })
  })

  it('the quarantine is that of the program which sent it again, where that is longer', async () => {
    const made = bench()
    const tool = made.tool({ recovery: keyed() })
    const other = bench({ beside: made, self: 'host/boot/2/2', settings: { quarantineMs: 600_000 } })
    made.downstream.plan('a', 'lose-request')
    made.fault = (point) => (point === 'recovering' ? new Promise(() => undefined) : undefined)
    void tool({ ref: 'a' }).catch(() => undefined)
    await settle()
    // Its lease runs out, and the other one recovers it.
    made.trouble.request = () => new Promise(() => undefined)
    other.tool({ recovery: keyed() })
    other.downstream.plan('a', 'lose-answer')
    await other.until(other.guard.open())
    other.fault = (point) => {
      if (point === 'answered') other.trouble.request = () => new Promise(() => undefined)
    }
    await made.time.advance(90_000)
    const third = bench({ beside: made, self: 'host/boot/3/3' })
    await third.until(third.guard.open())
    await made.time.advance(90_000)
    const { key, state, quarantineMs } = third.record(tool, { ref: 'a' })!
    expect([state, quarantineMs, third.downstream.effects('a')]).toEqual(['in-doubt', 600_000, 1])
    const verdict = { verdict: 'released', who: 'ada', note: 'asked' } as const
    await made.time.advance(61_000)
    expect(facts(await refusalOf(third.guard.ledger.resolve(key, verdict)))).toMatchObject({ code: 'HELD' })
  })

  it('“not done” counts also where recovery asks in vain, ever again', async () => {
    const { b, tool, key } = await doubted(
      () => ({ class: 'probe', settleMs: 0, probe: () => ({ found: 'unknown' }) }),
      'lose-request',
    )
    await refusalOf(b.until(tool({ ref: 'a' })))
    const { doubtAt } = await shown(b, key)
    await b.time.advance(600_000)
    // Longer and longer pauses, as before; nothing was sent since.
    expect(await shown(b, key)).toMatchObject({ state: 'in-doubt', doubtAt, attempts: 1 })
    expect((await shown(b, key)).recoveries).toBeLessThan(30)
    const verdict = { verdict: 'released', who: 'ada', note: 'no such order' } as const
    expect(await b.guard.ledger.resolve(key, verdict)).toMatchObject({ state: 'released' })
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
  })

  it('nobody will ever know', async () => {
    const { b, tool, key } = await two()
    await b.guard.ledger.resolve(key('b'), { verdict: 'abandoned', who: 'ada', note: 'no trace', value: 'ignored' })
    const error = await refusalOf(b.until(tool({ ref: 'b' })))
    expect(error.code).toBe('IN_DOUBT')
    expect(error.message).toContain('(ada)')
    expect((await shown(b, key('b'))).outcome).toBeUndefined()
  })

  it('only under a name, with a reason, and only a doubt', async () => {
    const { b, key } = await two()
    for (const change of [{ who: ' ' }, { note: '' }, { who: '' }, { note: ' ' }])
      expect(
        await refusalOf(b.guard.ledger.resolve(key('b'), { verdict: 'abandoned', who: 'ada', note: 'n', ...change })),
      ).toMatchObject({ code: 'INPUT_INVALID' })
    const error = await refusalOf(b.guard.ledger.resolve(key('a'), { verdict: 'abandoned', who: 'ada', note: 'n' }))
    expect(facts(error)).toMatchObject({
      code: 'HELD',
      effect: 'none',
      key: key('a'),
      details: { state: 'committed', refusal: 'state' },
    })
    expect((await shown(b, key('b'))).state).toBe('in-doubt')
  })

  it('exports everything, page by page', async () => {
    const { b, key } = await two()
    const queries: unknown[] = []
    b.trouble.request = (verb, args) => {
      if (verb === 'list') queries.push(args[0])
    }
    const all = []
    for await (const { record, history } of b.guard.ledger.export({ limit: 1 })) all.push([record.key, history.length])
    expect(all).toEqual([
      [key('a'), 2],
      [key('b'), 2],
    ])
    expect(queries).toEqual([
      { limit: 1, tenant: 'default' },
      { limit: 1, tenant: 'default', after: expect.any(String) as string },
    ])
  })

  it('an operator sets the mark: what has no record is then a doubt, in an engine that runs as well', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    const operator = bench({ beside: b, self: 'host/boot/2/2' })
    for (const why of ['', ' ', undefined])
      expect(await refusalOf(operator.guard.ledger.markAmnesia(why as string))).toMatchObject({ code: 'INPUT_INVALID' })
    expect(await b.guard.ledger.amnesia()).toBeUndefined()
    const mark = await operator.guard.ledger.markAmnesia('restored the backup of Sunday')
    expect(mark).toEqual({ at: b.time.storeMs(), lossFrom: 0, why: 'restored the backup of Sunday' })
    expect(await refusalOf(b.until(tool({ ref: 'b' })))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    expect(b.downstream.effects('b')).toBe(0)
    expect(await b.guard.ledger.liftAmnesia()).toEqual(mark)
    await b.until(b.guard.internals.tick())
    expect(await b.until(tool({ ref: 'c' }))).toEqual({ id: 1, ref: 'c' })
  })

  it('an operator lifts the mark', async () => {
    const { b } = await two()
    expect(await b.guard.ledger.amnesia()).toBeUndefined()
    expect(await refusalOf(b.guard.ledger.liftAmnesia())).toMatchObject({ code: 'HELD' })
    const mark = { at: 5, lossFrom: 0, why: 'test' }
    await b.inner.markAmnesia(mark)
    expect(await b.guard.ledger.amnesia()).toEqual(mark)
    expect(await b.guard.ledger.liftAmnesia()).toEqual(mark)
    expect(await b.guard.ledger.amnesia()).toBeUndefined()
  })
})
