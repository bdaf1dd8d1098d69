import { describe, expect, it } from 'vitest'
import { carryRun } from '../../src/engine/index.ts'
import { thrownBy } from '../vectors/attempt.ts'
import { bench, coded, facts, refusalOf, settle } from './bench.ts'

const DAY = 86_400_000

describe('a guard that nobody opened', () => {
  it('opens the ledger for whoever looks into it', async () => {
    const verdict = { verdict: 'abandoned', who: 'me', note: 'n' } as const
    for (const [look, answer] of [
      [(it) => it.list(), { records: [] }],
      [(it) => it.stats(), { states: {} }],
      [async (it) => (await it.doctor()).map(({ ok }) => typeof ok), ['boolean']],
      [(it) => it.purge(), { expired: 0, deleted: 0, kept: 0 }],
      [(it) => it.reconcile([], { tool: 'x' }), { agreed: 0 }],
      [(it) => it.amnesia(), undefined],
      [(it) => refusalOf(it.liftAmnesia()), { code: 'HELD' }],
      [(it) => refusalOf(it.show('of1_x')), { code: 'KEY_INVALID' }],
      [(it) => refusalOf(it.resolve('of1_x', verdict)), { code: 'KEY_INVALID' }],
      [
        async (it) => {
          for await (const found of it.export()) return found
          return 'nothing'
        },
        'nothing',
      ],
    ] as readonly [(ledger: ReturnType<typeof bench>['guard']['ledger']) => Promise<unknown>, unknown][]) {
      for (const ledger of [bench().guard.ledger, bench().guard.internals.operators]) {
        const found = await look(ledger)
        if (typeof answer === 'object') expect(found).toMatchObject(answer as object)
        else expect(found).toBe(answer)
      }
    }
  })

  it('opens it for a receipt, a compensation, a tick and a function under a key', async () => {
    const a = bench()
    const run = a.guard.internals.handleOf({ id: 'r' })
    expect(await run.receipt()).toMatchObject({ run: 'r', committed: [], unanchored: false })
    const b = bench()
    const tool = b.tool({ compensate: () => undefined })
    expect(await refusalOf(b.until(tool.compensate({ ref: 'a' })))).toMatchObject({ code: 'HELD' })
    const c = bench()
    await c.until(c.guard.internals.tick())
    expect((await c.inner.list({ tenant: undefined })).records).toEqual([])
    const d = bench()
    expect(await d.until(d.guard.once('k', () => 5))).toBe(5)
  })
})

describe('a run', () => {
  it('hands its trace on to a run within it, which may have one of its own', async () => {
    const b = bench()
    const trace = await b.guard.run({ id: 'r', traceparent: '00-a' }, () =>
      Promise.all([
        b.guard.run({}, () => carryRun()['traceparent']),
        b.guard.run({ traceparent: '00-b' }, () => carryRun()['traceparent']),
      ]),
    )
    expect(trace).toEqual(['00-a', '00-b'])
  })

  it('within another process’s operation stays a part of it, unless it names a run or a parent of its own', async () => {
    const b = bench()
    const key = `of1_${'A'.repeat(43)}`
    const parent = { key, fence: 3, ordinal: 1 }
    const other = { key: `of1_${'B'.repeat(43)}`, fence: 1, ordinal: 0 }
    const tool = b.tool({ scope: 'tenant' })
    const parentIn = async (ref: string, options: object) =>
      (await b.until(b.guard.run(options, () => tool.perform({ ref })))).record?.parent
    const found = await b.guard.run({ id: 'r', parent }, async () => [
      await parentIn('a', {}),
      await parentIn('b', { id: 'r' }),
      await parentIn('c', { parent: other }),
    ])
    expect(found).toEqual([parent, undefined, other])
  })

  it('counts its parts anew for each handle of the same parent', async () => {
    const b = bench()
    const parent = { key: `of1_${'A'.repeat(43)}`, fence: 3, ordinal: 1 }
    const tool = b.tool({ scope: 'parent' })
    const twice = (): Promise<readonly string[]> =>
      b.until(
        b.guard.run({ id: 'r', parent }, async () => [
          (await tool.perform({ ref: 'a' })).key,
          (await tool.perform({ ref: 'a' })).key,
        ]),
      )
    const first = await twice()
    expect(new Set(first).size).toBe(2)
    expect(await twice()).toEqual(first)
    expect(b.downstream.effects('a')).toBe(2)
  })

  it('is settled only when what began while somebody waited for that has ended too', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'hold')
    b.downstream.plan('b', 'hold')
    await b.guard.run({}, async (run) => {
      const first = tool({ ref: 'a' })
      await settle()
      let settled = false
      const waiting = run.settled().then(() => (settled = true))
      const second = tool({ ref: 'b' })
      await settle()
      b.downstream.release('a')
      await b.until(first)
      await settle()
      expect(settled).toBe(false)
      b.downstream.release('b')
      await b.until(second)
      await waiting
    })
  })

  it('minted after a loss may act where a record may be missing, one with an id from outside may not', async () => {
    const b = bench()
    await b.inner.open()
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    await b.guard.open()
    const tool = b.tool({ scope: 'run' })
    const call = (ref: string) => b.until(tool({ ref }))
    expect(await b.guard.run({}, () => call('a'))).toEqual({ id: 1, ref: 'a' })
    expect(await b.guard.run({}, () => b.guard.run({}, () => call('b')))).toEqual({ id: 1, ref: 'b' })
    expect(facts(await refusalOf(Promise.resolve(b.guard.run({ id: 'r' }, () => call('c')))))).toMatchObject({
      code: 'IN_DOUBT',
    })
    const nested = b.guard.run({ id: 'r' }, () => b.guard.run({}, () => call('d')))
    expect(facts(await refusalOf(nested))).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.downstream.log).toEqual(['a:ok', 'b:ok'])
  })
})

describe('a plain call that asks for doubts to be returned', () => {
  it('is told of one all the same: it has no outcome to return, and no value would read as a success', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const options = { onDoubt: 'return' } as const
    const own = await refusalOf(b.until(tool({ ref: 'a' }, options)))
    const key = b.record(tool, { ref: 'a' })?.key ?? ''
    const told = { code: 'IN_DOUBT', effect: 'unknown', retryable: false, key, ticket: key.slice(4, 16) }
    expect(facts(own)).toMatchObject(told)
    expect(own.cause).toMatchObject({ code: 'ECONNRESET' })
    const repeat = await refusalOf(b.until(tool({ ref: 'a' }, options)))
    expect(facts(repeat)).toMatchObject(told)
    expect(repeat.cause).toBeUndefined()
    expect(await b.until(tool.perform({ ref: 'a' }, options))).toMatchObject({ status: 'in-doubt' })
    const work = () => Promise.reject(coded('ECONNRESET'))
    expect(await refusalOf(b.until(b.guard.once('k', work, options)))).toMatchObject({ code: 'IN_DOUBT' })
  })
})

describe('a saga', () => {
  it('is made of tools of its own guard only, on the way and on the way back', () => {
    const b = bench()
    const other = bench()
    const options = { compensate: () => undefined }
    const [own, foreign] = [b.tool(options), other.tool(options)]
    const input = () => ({ ref: 'a' })
    for (const step of [
      { tool: foreign, input },
      { tool: foreign, input, undo: { tool: own, input } },
      { tool: own, input, undo: { tool: foreign, input } },
    ]) {
      const steps = [step, { tool: own, name: 'last', input }]
      expect(thrownBy(() => b.guard.saga('s', steps))).toMatchObject({ code: 'CONTRACT_INVALID' })
    }
    expect(thrownBy(() => b.guard.saga('s', [{ tool: own, input, undo: { tool: own, input } }]))).toBeUndefined()
  })
})

describe('the name of a call', () => {
  it('is that in the run that is given, or in the current one', async () => {
    const b = bench()
    const tool = b.tool({ scope: 'run' })
    const nameIn = (run: object): string => b.guard.internals.name(tool.contract, { ref: 'a' }, run).key
    const given = nameIn({ run: b.guard.internals.runOf({ id: 'r' }) })
    expect(await b.guard.run({ id: 'r' }, () => nameIn({}))).toBe(given)
    expect(await b.guard.run({ id: 'other' }, () => nameIn({}))).not.toBe(given)
    expect(await b.guard.run({ id: 'other' }, () => nameIn({ run: b.guard.internals.runOf({ id: 'r' }) }))).toBe(given)
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

  it.each(['id', 'tenant', 'session'] as const)('with an empty %s are none: all of them would be one', async (fact) => {
    const b = bench()
    const error = await refusalOf(b.guard.run({ [fact]: '' }, async () => await b.tool()({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_INVALID', effect: 'none' })
    expect(b.downstream.log).toEqual([])
  })

  it('of another guard bind nothing here, least of all to this guard’s tenant', async () => {
    const b = bench()
    const tool = b.tool({ compensate: () => undefined })
    const run = await bench({ beside: b }).guard.run({ tenant: 'acme' }, (handle) => handle)
    const calls = [
      tool({ ref: 'a' }, { run }),
      tool.perform({ ref: 'a' }, { run }),
      tool.compensate({ ref: 'a' }, { run }),
      b.guard.once('a', () => b.downstream.log.push('once'), { run }),
    ]
    for (const error of await b.until(Promise.all(calls.map((call) => refusalOf(call)))))
      expect(facts(error)).toMatchObject({ code: 'CONTRACT_INVALID', effect: 'none' })
    expect(b.downstream.log).toEqual([])
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

it('what was undone, or closed without knowing, is told as that after its retention too', async () => {
  const b = bench({ settings: { quarantineMs: 10 } })
  const tool = b.tool({ compensate: () => undefined })
  b.downstream.plan('lost', 'lose-answer')
  await b.until(
    b.guard.run({ id: 'r' }, async (run) => {
      for (const ref of ['kept', 'undone']) await tool({ ref })
      await tool.compensate({ ref: 'undone' })
      const { ticket } = await refusalOf(tool({ ref: 'lost' }))
      await b.guard.ledger.resolve(ticket ?? '', { verdict: 'abandoned', who: 'me', note: 'n' })
      const partsOf = async () => {
        const { committed, cancelled, inDoubt } = await run.receipt()
        return [committed, cancelled, inDoubt].map((part) => part.map(({ key }) => key))
      }
      const before = await partsOf()
      expect(before.map((part) => part.length)).toEqual([2, 1, 1])
      b.time.stepStore(3 * DAY)
      expect(await b.guard.ledger.purge()).toMatchObject({ expired: 4 })
      expect(await partsOf()).toEqual(before)
      expect(await refusalOf(tool({ ref: 'kept' }))).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
      expect(await refusalOf(tool({ ref: 'undone' }))).toMatchObject({ code: 'COMPENSATED', effect: 'none' })
      expect(await refusalOf(tool({ ref: 'lost' }))).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'unknown' })
      const names = before.flat()
      const compared = await b.guard.ledger.reconcile([], { tool: 'place_order' })
      expect(compared.missing.map(({ key }) => key)).toEqual([names[0]])
      expect(compared.doubtsNotListed.map(({ key }) => key)).toEqual([names[3]])
    }),
  )
})
