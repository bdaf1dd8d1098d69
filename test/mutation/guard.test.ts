import { describe, expect, it } from 'vitest'
import { createGuard } from '../../src/engine/index.ts'
import { thrownBy } from '../vectors/attempt.ts'
import {
  anything,
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

const shown = async (b: Bench, key: string) => (await b.guard.ledger.show(key)).record

describe('a guard', () => {
  it('refuses a store that forgets, unless that is wanted', () => {
    const b = bench()
    const given = {
      store: b.inner,
      clock: b.time,
      ids: { nonce: () => '', runId: () => '' },
      processes: { self: '', isDead: () => false },
    }
    for (const allowVolatile of [undefined, false])
      expect(
        thrownBy(() => createGuard(allowVolatile === undefined ? given : { ...given, allowVolatile })),
      ).toMatchObject({ code: 'STORE_UNSAFE' })
    const durable = { ...b.inner, guarantees: { ...b.inner.guarantees, durability: 'process' as const } }
    expect(thrownBy(() => createGuard({ ...given, store: durable }))).toBeUndefined()
  })

  it('registers a name once, unless it is the same contract', () => {
    const b = bench()
    b.tool()
    b.tool()
    expect(thrownBy(() => b.tool({ identity: 'all' }))).toMatchObject({ code: 'CONTRACT_INVALID' })
    const contract = contractOf({ name: 'other' })
    expect(b.guard.internals.register(contract)).toBe(contract)
    expect(b.guard.internals.register(contract)).toBe(contract)
    expect(b.guard.contracts().map(({ name }) => name)).toEqual(['place_order', 'other'])
    expect(thrownBy(() => b.tool({ name: 'once', identity: ['x'] }))).toMatchObject({ code: 'CONTRACT_INVALID' })
  })

  it('refuses a class that its store cannot keep', () => {
    const tool = { recovery: { class: 'transactional' } }
    expect(thrownBy(() => bench().tool(tool))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(thrownBy(() => bench({ guarantees: { transactions: true } }).tool(tool))).toBeUndefined()
  })

  it('describes its tools', () => {
    const b = bench()
    const tool = b.tool()
    expect(tool.description).toEqual(tool.contract.describe())
    expect(tool.contract.name).toBe('place_order')
  })

  it('leaves a listener its choice', async () => {
    const b = bench()
    const heard: string[] = []
    const leave = b.guard.on('transition', ({ event }) => void heard.push(event.transition))
    await b.until(b.tool()({ ref: 'a' }))
    leave()
    await b.until(b.tool()({ ref: 'b' }))
    expect(heard).toEqual(["T1'", 'T5'])
  })

  it('takes a key and a function', async () => {
    const b = bench()
    let runs = 0
    const work = () => (runs += 1)
    expect(await b.until(b.guard.once('k', work))).toBe(1)
    expect(await b.until(b.guard.once('k', work))).toBe(1)
    expect(await b.until(b.guard.once('k', work, { occurrence: 2 }))).toBe(2)
    expect(await b.until(b.guard.once('other', work))).toBe(3)
    const { records } = await b.guard.ledger.list()
    expect(records.map(({ tool, recovery }) => [tool, recovery])).toEqual(
      Array.from({ length: 3 }, () => ['once', 'manual']),
    )
    expect(b.guard.contracts()).toEqual([])
  })

  it('keeps blobs beside the ledger', async () => {
    const b = bench()
    await b.guard.internals.blobs.putBlob('hash', Buffer.from('x'))
    expect(Buffer.from((await b.guard.internals.blobs.getBlob('hash'))!).toString()).toBe('x')
    b.trouble.request = () => {
      throw unavailable()
    }
    expect(await refusalOf(b.guard.internals.blobs.getBlob('hash'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('parses input first, also where the schema answers later', async () => {
    const b = bench()
    const later = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value: object) => ({ value: { ...value, amount: 1 } }),
      },
    }
    const tool = b.tool({ input: later })
    await b.until(tool({ ref: 'a' }))
    expect(b.record(tool, { ref: 'a' })?.input).toBe('{"amount":1,"ref":"a"}')
  })
})

describe('runs', () => {
  it('name, tenant and session; minted ones are unanchored', async () => {
    const b = bench({ tenant: 'acme' })
    const minted = await b.guard.run({}, (run) => run)
    expect(minted).toMatchObject({ id: expect.stringMatching(/^run-/) as string, tenant: 'acme', session: undefined })
    const given = await b.guard.run({ id: 'r', tenant: 't', session: 's' }, (run) => run)
    expect(given).toMatchObject({ id: 'r', tenant: 't', session: 's' })
    expect(Object.isFrozen(given)).toBe(true)
    expect((await minted.receipt()).unanchored).toBe(true)
    expect((await given.receipt()).unanchored).toBe(false)
  })

  it('a run within a run inherits, an id of its own begins anew', async () => {
    const b = bench()
    await b.guard.run({ session: 's', tenant: 't' }, async (outer) => {
      const inner = await b.guard.run({}, (run) => run)
      expect(inner).toMatchObject({ id: outer.id, tenant: 't', session: 's' })
      expect((await inner.receipt()).unanchored).toBe(true)
      const other = await b.guard.run({ id: 'r', session: 'x', tenant: 'u' }, (run) => run)
      expect(other).toMatchObject({ id: 'r', tenant: 'u', session: 'x' })
      const anchored = await b.guard.run({ id: 'r' }, () => b.guard.run({}, (run) => run))
      expect((await anchored.receipt()).unanchored).toBe(false)
    })
  })

  it('settle when nothing of them runs any more', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    await b.guard.run({}, async (run) => {
      await run.settled()
      const call = tool({ ref: 'a' })
      await settle()
      let settled = false
      const waiting = run.settled().then(() => (settled = true))
      await b.time.advance(1_000)
      expect(settled).toBe(false)
      b.downstream.release('a')
      await b.until(call)
      await waiting
    })
  })

  it('bind what loses its context', async () => {
    const b = bench()
    const tool = b.tool({ scope: 'run' })
    const run = await b.guard.run({ id: 'r' }, (it) => it)
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'CONTRACT_INVALID' })
    expect(await b.until(run.bind(() => tool({ ref: 'a' })))).toEqual({ id: 1, ref: 'a' })
  })

  it('a receipt tells every operation by what became of it', async () => {
    const b = bench()
    const tool = b.tool({
      amount: 'amount',
      near: { fields: ['account'], within: '1m', then: 'hold' },
      exclusive: ['account'],
    })
    const accepted = b.tool({ name: 'accepted', verify: () => undefined })
    const held = b.tool({ name: 'held', timeout: '10m' })
    b.downstream.plan('refused', 'refuse')
    b.downstream.plan('doubt', 'lose-answer')
    b.downstream.plan('running', 'hold')
    const receipt = await b.guard.run({ id: 'r' }, async (run) => {
      await b.until(tool({ ref: 'done', amount: 5, account: '1' }))
      await refusalOf(b.until(tool({ ref: 'refused', amount: 6, account: '2' })))
      await refusalOf(b.until(tool({ ref: 'doubt', account: '3' })))
      await b.until(accepted({ ref: 'accepted' }))
      void held({ ref: 'running' })
      await refusalOf(b.until(tool({ ref: 'cancelled', amount: 7, account: '4' }, { signal: AbortSignal.abort() })))
      await settle()
      return await run.receipt()
    })
    const parts = Object.fromEntries(
      Object.entries(receipt)
        .filter(([, entries]) => Array.isArray(entries))
        .map(([part, entries]) => [
          part,
          (entries as { tool: string; amount?: number; state: string }[]).map((it) => [it.tool, it.amount, it.state]),
        ]),
    )
    expect(parts).toEqual({
      committed: [['place_order', 5, 'committed']],
      accepted: [['accepted', undefined, 'accepted']],
      inDoubt: [['place_order', undefined, 'in-doubt']],
      cancelled: [['place_order', 6, 'rejected']],
      running: [['held', undefined, 'executing']],
    })
    expect(receipt.run).toBe('r')
    const [entry] = receipt.committed
    expect(entry?.ticket).toBe(entry?.key.slice(4, 16))
    // Another life of the run reads it from the ledger alone.
    const later = bench({ beside: b })
    const again = await later.guard.run({ id: 'r' }, (run) => run.receipt())
    expect(again.committed).toEqual(receipt.committed)
    expect(again.running).toHaveLength(1)
    expect(again.cancelled).toHaveLength(1)
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

  it('lists within its tenant, operators see all', async () => {
    const { b } = await two()
    const other = bench({ beside: b, tenant: 'other' })
    expect((await other.guard.ledger.list()).records).toEqual([])
    expect((await other.guard.internals.operators.list()).records).toHaveLength(2)
    expect((await other.guard.ledger.list({ tenant: 'default' })).records).toHaveLength(2)
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
      ['of1_', 'Several operations'],
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

describe('an accepted operation', () => {
  const accepting = (answers: unknown[], settings = {}) => {
    const b = bench({ settings })
    const seen: unknown[] = []
    const tool = b.tool({
      timeout: '5s',
      verify: async (
        outcome: unknown,
        context: { key: string; attempt: number; signal: AbortSignal; downstreamKey(): string },
      ) => {
        seen.push([outcome, context.key, context.attempt, context.downstreamKey()])
        const answer = answers.shift()
        if (answer === 'hang')
          return await new Promise((_, reject) =>
            context.signal.addEventListener('abort', () => reject(new Error('x'))),
          )
        if (answer instanceof Error) throw answer
        return answer
      },
    })
    return { b, tool, seen }
  }

  it('is told as accepted, and committed once it is verified', async () => {
    const { b, tool, seen } = accepting([undefined, new Error('x'), 'maybe', 'hang', true])
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'accepted', value: { id: 1 }, recorded: true, replayed: false })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'accepted', replayed: true })
    for (const moment of [1_000, 5_000, 5_000, 5_000]) {
      await b.time.advance(moment)
      expect(b.recordOf(outcome.key)?.state).toBe('accepted')
    }
    await b.time.advance(12_000)
    expect(b.recordOf(outcome.key)).toMatchObject({ state: 'committed', outcome: { text: '{"id":1,"ref":"a"}' } })
    expect(seen).toEqual(
      Array.from({ length: 5 }, () => [{ id: 1, ref: 'a' }, outcome.key, 1, b.downstream.keys('a')[0]]),
    )
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('asks again after four sweeps, not sooner', async () => {
    const { b, tool, seen } = accepting([undefined, undefined, undefined])
    await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(seen).toHaveLength(1)
    await b.time.advance(3_999)
    expect(seen).toHaveLength(1)
    await b.time.advance(1)
    expect(seen).toHaveLength(2)
  })

  it('that did not happen after all is a doubt for a person', async () => {
    const { b, tool } = accepting([false])
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
    expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
  })

  it('whose result is gone cannot be verified', async () => {
    const { b, tool, seen } = accepting([true], { inlineResultBytes: 3 })
    b.trouble.request = (verb) => {
      if (verb === 'putBlob') throw unavailable()
    }
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'verification-failed' })
    expect(seen).toEqual([])
    expect(b.events.filter(({ name }) => name === 'doubt')).toHaveLength(1)
    expect((await b.inner.history(key, 'default')).at(-1)?.why).toBe('the result could not be stored')
  })
})

describe('undoing', () => {
  it('happens once, as an operation of its own', async () => {
    const b = bench()
    const undone: unknown[] = []
    const tool = b.tool({
      compensate: (value: unknown, context: { key: string }) => void undone.push([value, context.key]),
    })
    await b.until(tool({ ref: 'a' }))
    const { key } = b.record(tool, { ref: 'a' })!
    await b.until(tool.compensate({ ref: 'a' }))
    await b.until(tool.compensate({ ref: 'a' }))
    const { records } = await b.guard.ledger.list({ tool: 'place_order.compensate' })
    expect(records.map(({ state, recovery }) => [state, recovery])).toEqual([['committed', 'manual']])
    expect(undone).toEqual([[{ id: 1, ref: 'a' }, records[0]?.key]])
    expect((await b.history(key)).slice(2)).toEqual(['T21 committed>compensating', 'T21 compensating>compensated'])
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'COMPENSATED', effect: 'none' })
  })

  it('that failed half-way is begun again, and stays one', async () => {
    const b = bench()
    let calls = 0
    const tool = b.tool({
      compensate: () => {
        calls += 1
        if (calls === 1) throw coded('DECLINED')
      },
    })
    await b.until(tool({ ref: 'a' }))
    expect(await refusalOf(b.until(tool.compensate({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({
      code: 'COMPENSATED',
      effect: 'unknown',
    })
    const { records } = await b.guard.ledger.list({ tool: 'place_order.compensate' })
    await b.guard.ledger.resolve(records[0]!.key, { verdict: 'committed', who: 'ada', note: 'n', value: undefined })
    await b.until(tool.compensate({ ref: 'a' }))
    expect(b.record(tool, { ref: 'a' })?.state).toBe('compensated')
    expect(calls).toBe(1)
  })

  it('what is not committed is refused', async () => {
    const b = bench()
    expect(await refusalOf(b.until(b.tool().compensate({ ref: 'a' })))).toMatchObject({ code: 'CONTRACT_INVALID' })
    const tool = b.tool({ name: 'other', compensate: () => undefined })
    const absent = await refusalOf(b.until(tool.compensate({ ref: 'a' })))
    expect(facts(absent)).toMatchObject({ code: 'HELD', effect: 'none', ticket: expect.any(String) as string })
    expect(absent.message).toContain('not recorded')
    b.downstream.plan('b', 'refuse')
    await refusalOf(b.until(tool({ ref: 'b' })))
    expect((await refusalOf(b.until(tool.compensate({ ref: 'b' })))).message).toContain('is rejected')
  })
})

describe('near-duplicates', () => {
  const near = { near: { fields: ['account', 'amount'], within: '10m', then: 'hold' } }
  const order = (ref: string, amount = 5): OrderInput => ({ ref, account: 'x', amount })

  it('another operation with equal fields inside the window is held, until it is confirmed', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    const first = b.record(tool, order('a'))!.key
    const error = await refusalOf(b.until(tool(order('b'))))
    expect(facts(error)).toMatchObject({
      code: 'HELD',
      effect: 'none',
      ticket: first.slice(4, 16),
      details: { fields: ['account', 'amount'], earlier: first },
    })
    expect(await refusalOf(b.until(tool(order('b'), { confirm: 'other' })))).toMatchObject({ code: 'HELD' })
    expect(b.downstream.effects('b')).toBe(0)
    expect(await b.until(tool(order('b'), { confirm: first.slice(4, 16) }))).toEqual({ id: 1, ref: 'b' })
    // The same operation is a replay, another amount another matter.
    expect(await b.until(tool(order('a')))).toEqual({ id: 1, ref: 'a' })
    expect(await b.until(tool(order('c', 6)))).toEqual({ id: 1, ref: 'c' })
  })

  it('after the window, or when the earlier one did nothing, it runs', async () => {
    const b = bench()
    const tool = b.tool(near)
    await b.until(tool(order('a')))
    b.time.stepStore(600_000)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
    const c = bench()
    const refused = c.tool(near)
    c.downstream.plan('a', 'refuse')
    await refusalOf(c.until(refused(order('a'))))
    expect(await c.until(refused(order('b')))).toEqual({ id: 1, ref: 'b' })
    const secret = bench({ keySecret: 's' })
    const hidden = secret.tool(near)
    await secret.until(hidden(order('a')))
    expect(await refusalOf(secret.until(hidden(order('b'))))).toMatchObject({ code: 'HELD' })
  })
})

describe('exclusive operations', () => {
  const exclusive = { exclusive: ['account'], timeout: '10m' }
  const order = (ref: string, account = 'x'): OrderInput => ({ ref, account })

  it('take turns in one process and across processes', async () => {
    const b = bench()
    const other = bench({ beside: b, self: 'host/boot/2/1' })
    const tool = b.tool(exclusive)
    const same = other.tool(exclusive)
    for (const ref of 'abc') b.downstream.plan(ref, 'hold')
    const calls = [tool(order('a')), tool(order('b')), same(order('c'))]
    await b.time.advance(2_000)
    expect(b.downstream.log).toEqual(['a:hold'])
    expect(await b.until(tool(order('d', 'y')))).toEqual({ id: 1, ref: 'd' })
    for (let turn = 0; turn < 3; turn += 1) {
      await b.time.advance(2_000)
      for (const ref of 'abc') b.downstream.release(ref)
    }
    await b.until(Promise.all(calls))
    expect(b.downstream.log.filter((line) => line !== 'd:ok').sort()).toEqual(['a:hold', 'b:hold', 'c:hold'])
  })

  it('past the budget: not started', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    const other = bench({ beside: b })
    const same = other.tool(exclusive)
    b.downstream.plan('a', 'hold')
    const first = tool(order('a'))
    await settle()
    const began = b.time.bootMs()
    const error = await refusalOf(b.until(same(order('b'), { waitMs: 60_000 })))
    expect(b.time.bootMs() - began).toBeGreaterThanOrEqual(30_000)
    expect(b.time.bootMs() - began).toBeLessThan(31_000)
    expect(facts(error)).toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'none',
      retryable: true,
      retryAfterMs: 1_000,
      key: other.guard.internals.name(same.contract, order('b')).key,
    })
    b.downstream.release('a')
    await b.until(first)
    expect(b.downstream.effects('b')).toBe(0)
  })

  it('a doubt keeps its turn until it is settled', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    b.downstream.plan('a', 'lose-answer')
    await refusalOf(b.until(tool(order('a'))))
    const doubt = b.record(tool, order('a'))!
    expect(await refusalOf(b.until(tool(order('b'))))).toMatchObject({ code: 'IN_PROGRESS', effect: 'none' })
    b.time.stepStore(3_600_000)
    await b.until(b.guard.internals.tick())
    const error = await refusalOf(b.until(tool(order('b'))))
    expect(error).toMatchObject({ code: 'IN_PROGRESS', ticket: doubt.key.slice(4, 16) })
    await b.guard.ledger.resolve(doubt.key, { verdict: 'abandoned', who: 'ada', note: 'n' })
    expect(await b.until(tool(order('b'), { waitMs: 60_000 }))).toEqual({ id: 1, ref: 'b' })
  })

  it('one whose doubt came to nothing keeps its turn and goes on at once', async () => {
    const b = bench()
    const probe = (input: OrderInput) => b.downstream.find(input.ref)
    const tool = b.tool({ ...exclusive, sends: 'checked', recovery: { class: 'probe', settleMs: 0, probe } })
    b.downstream.plan('a', 'lose-request')
    const began = b.time.bootMs()
    expect(await b.until(tool(order('a'), { waitMs: 300_000 }))).toEqual({ id: 1, ref: 'a' })
    expect(b.time.bootMs() - began).toBeLessThan(120_000)
    expect(b.downstream.effects('a')).toBe(1)
    expect(await b.until(tool(order('b')))).toEqual({ id: 1, ref: 'b' })
  })

  it('a refused one gives its turn back at once', async () => {
    const b = bench()
    const tool = b.tool(exclusive)
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool(order('a'))))
    const began = b.time.bootMs()
    await b.until(tool(order('b')))
    expect(b.time.bootMs()).toBe(began)
    const turns = (await b.guard.ledger.list({ tool: 'exclusive' })).records
    expect(turns.map(({ state, recovery }) => [state, recovery])).toEqual([['released', 'manual']])
  })
})

describe('undeclared tools', () => {
  const start = () => {
    const b = bench()
    const contract = contractOf({
      name: 'undeclared',
      identity: 'all',
      execute: (input: OrderInput, context: never) => b.downstream.send(input, context),
    })
    const call = (policy: object = {}, input: object = { ref: 'a' }) =>
      b.until(
        b.guard.internals.undeclared.perform(contract, input, {
          afterDelivery: 'run',
          afterError: 'hold',
          ...policy,
        } as never),
      )
    const deliver = (key: string) => b.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    return { b, contract, call, deliver }
  }

  it('an identical call is a retry until its answer was delivered; then it is new work, and flagged', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    const first = await call()
    expect(await call()).toMatchObject({ key: first.key, replayed: true })
    await deliver(first.key)
    expect((await b.inner.history(first.key, 'default')).at(-1)).toMatchObject({
      transition: 'delivered',
      who: 'proxy',
    })
    const second = await call()
    expect(second).toMatchObject({ replayed: false, value: { id: 2 } })
    expect(second.key).not.toBe(first.key)
    expect(b.events.filter(({ name }) => name === 'suspected-repeat')).toEqual([
      {
        name: 'suspected-repeat',
        key: second.key,
        tenant: 'default',
        tool: 'undeclared',
        run: undefined,
        occurrence: 2,
      },
    ])
    expect(await call()).toMatchObject({ key: second.key, replayed: true })
    await deliver(second.key)
    expect((await call()).record?.occurrence).toBe(3)
    expect(await call({}, { ref: 'other' })).toMatchObject({ replayed: false })
    expect(b.events.filter(({ name }) => name === 'suspected-repeat')).toHaveLength(2)
    // Another process walks up from the first.
    const other = bench({ beside: b })
    const contract = contractOf({ name: 'undeclared', identity: 'all', execute: () => 'never' })
    const policy = { afterDelivery: 'run', afterError: 'hold' } as const
    expect(await b.until(other.guard.internals.undeclared.perform(contract, { ref: 'a' }, policy))).toMatchObject({
      replayed: true,
      value: { id: 3 },
    })
  })

  it('by policy it replays, or is held', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    const { key } = await call()
    await deliver(key)
    expect(await call({ afterDelivery: 'replay' })).toMatchObject({ key, replayed: true })
    expect(facts(await refusalOf(call({ afterDelivery: 'hold' })))).toMatchObject({
      code: 'HELD',
      effect: 'none',
      key,
      ticket: key.slice(4, 16),
    })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('after an answered error it is held in doubt, or runs', async () => {
    const { b, contract, call } = start()
    await b.guard.open()
    const { AnsweredError } = await import('../../src/engine/index.ts')
    const failing = contractOf({
      name: 'undeclared',
      identity: 'all',
      execute: () => {
        throw new AnsweredError('it said no', { isError: true })
      },
    })
    const policy = { afterDelivery: 'run', afterError: 'hold' } as const
    const { undeclared } = b.guard.internals
    expect(await refusalOf(b.until(undeclared.perform(failing, { ref: 'a' }, policy)))).toMatchObject({
      code: 'IN_DOUBT',
    })
    expect(await refusalOf(call())).toMatchObject({ code: 'IN_DOUBT' })
    expect(await call({ afterError: 'run' })).toMatchObject({ status: 'committed', value: { id: 1 } })
    expect(contract.name).toBe('undeclared')
  })

  it('a doubt of another kind is never repeated, an expired one is', async () => {
    const { b, call, deliver } = start()
    await b.guard.open()
    b.downstream.plan('a', 'lose-answer')
    expect(await refusalOf(call({ afterError: 'run' }))).toMatchObject({ code: 'IN_DOUBT' })
    expect(await refusalOf(call({ afterError: 'run' }))).toMatchObject({ code: 'IN_DOUBT' })
    const done = await call({}, { ref: 'b' })
    b.time.stepStore(86_400_000)
    await b.time.advance(31_000)
    expect(b.recordOf(done.key)?.state).toBe('expired')
    expect(await call({}, { ref: 'b' })).toMatchObject({ value: { id: 2 } })
    b.downstream.plan('c', 'refuse')
    const refused = await refusalOf(call({}, { ref: 'c' }))
    expect(refused.code).toBe('IN_DOUBT')
    await deliver(refused.key!)
    expect(await refusalOf(call({}, { ref: 'c' }))).toMatchObject({ code: 'IN_DOUBT', key: refused.key })
  })
})

describe('counted calls', () => {
  it('have their place in the run; an undelivered one is repeated by the next', async () => {
    const b = bench()
    const tool = b.tool({ identity: 'sequence', input: anything })
    await b.guard.run({ id: 'r' }, async () => {
      await b.until(tool({ ref: 'a' }))
      b.downstream.plan('a', 'lose-answer')
      expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
      // Its retry is the same operation, and stays in doubt.
      expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT' })
      expect(await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return' }))).toMatchObject({ status: 'in-doubt' })
      expect(await refusalOf(b.until(tool({ ref: 'b' })))).toMatchObject({ code: 'DIVERGED' })
    })
    expect(b.downstream.effects('a')).toBe(2)
    await b.guard.run({ id: 'r' }, async () => {
      expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    })
  })
})
