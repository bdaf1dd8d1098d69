import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { Question, type OperationRecord } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench } from './bench.ts'
import { expectOvertaken, fail, lostCommit, onTable, toolOf } from './on-table.ts'
import type { TableHandle } from './table.ts'

describe('a transaction whose end is not known', () => {
  it('that committed is done: the row says so', async () => {
    const b = onTable()
    fail(b, 'answer', 'commit', lostCommit)
    const tool = toolOf(b)
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', replayed: false, recorded: true, value: { id: 1, ref: 'a' } })
    expect(b.table.rows('a')).toBe(1)
  })

  it('that did not commit is withdrawn, which keeps it from ever committing, and may be called again', async () => {
    const b = onTable()
    fail(b, 'request', 'commit', lostCommit, 1)
    const tool = toolOf(b)
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ effect: 'none', retryable: true })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
    const story = await b.inner.history(error.key ?? '', 'default')
    expect(story.at(-1)).toMatchObject({ transition: 'T3', why: 'its transaction did not commit' })
    await b.until(tool({ ref: 'a' }))
    expect(b.table.rows('a')).toBe(1)
  })

  it('that said nothing was applied has been undone', async () => {
    const b = onTable()
    const refused = (retryable: boolean) => () =>
      new OnefoldError('STORE_UNAVAILABLE', 'refused', { retryable, details: { applied: 'no' } })
    const tool = toolOf(b)
    for (const retryable of [true, false]) {
      fail(b, 'request', 'commit', refused(retryable), 1)
      expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ effect: 'none', retryable })
      expect([b.table.rows('a'), b.table.open()]).toEqual([0, 0])
    }
    fail(b, 'request', 'commit', () => coded('23505'), 1)
    expect(facts(await refusalOf(b.until(tool({ ref: 'b' }))))).toMatchObject({ effect: 'none' })
  })

  it('is asked for again while the ledger is away, and is not known to the caller where it stays away', async () => {
    const b = onTable()
    const tool = toolOf(b)
    const troubleReads = (times: number): void => {
      let left = 0
      let lost = false
      b.trouble.request = (verb) => {
        if (verb === 'commit' && !lost) {
          lost = true
          left = times
          throw lostCommit()
        }
        if (verb === 'read' && left-- > 0) throw unavailable()
      }
    }
    troubleReads(2)
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ effect: 'none', retryable: true })
    troubleReads(3)
    expect(facts(await refusalOf(b.until(tool({ ref: 'b' }))))).toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'unknown',
    })
    expect(b.table.rows('b')).toBe(0)
    // The claim lapses, and what it stood for can no longer be committed.
    expect(await b.until(tool({ ref: 'b' }, { waitMs: 60_000 }))).toEqual({ id: 1, ref: 'b' })
    expect(b.table.rows('b')).toBe(1)
  })

  it('whose record somebody else has by then is overtaken', async () => {
    await expectOvertaken((other) => {
      let met = false
      return async (verb) => {
        if (verb !== 'commit' || met) return
        met = true
        await other()
        throw lostCommit()
      }
    })
  })

  it('whose withdrawal meets another engine that has it by then is overtaken', async () => {
    await expectOvertaken((other) => {
      let lost = false
      return async (verb) => {
        if (verb === 'commit') {
          lost = true
          throw lostCommit()
        }
        if (verb !== 'write' || !lost) return
        lost = false
        await other()
      }
    })
  })

  it('whose withdrawal was taken and never acknowledged is no success: it runs again', async () => {
    const b = onTable()
    const tool = toolOf(b)
    let away = false
    let writes = 0
    b.trouble.request = (verb) => {
      if (verb === 'commit' && writes === 0) throw lostCommit()
      // The reads between the writes, which would find the withdrawal.
      if (verb === 'read' && away) throw unavailable()
    }
    b.trouble.answer = (verb) => {
      if (verb !== 'write' || b.record(tool, { ref: 'a' })?.state !== 'released' || writes > 2) return
      writes += 1
      away = writes < 3
      throw unavailable()
    }
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: false })
    expect(b.table.rows('a')).toBe(1)
    expect(await b.history(b.record(tool, { ref: 'a' })?.key ?? '')).toEqual([
      'T1 absent>claimed',
      'T3 claimed>released',
      'T18 released>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
  })

  it('whose record the store has lost by then runs again', async () => {
    const b = onTable()
    const tool = toolOf(b)
    let lost = false
    b.trouble.request = async (verb) => {
      if (verb !== 'commit' || lost) return
      lost = true
      const { key, tenant, revision } = b.record(tool, { ref: 'a' }) as OperationRecord
      const event = { transition: 'x', from: 'claimed', to: 'deleted', fence: 1, nonce: '', who: '', openSends: 0 } as const // prettier-ignore
      await b.inner.write({ key, tenant, expect: revision, draft: undefined, event })
      throw lostCommit()
    }
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: false })
    expect(b.table.rows('a')).toBe(1)
  })

  it('whose read fails for another reason tells that reason', async () => {
    const b = onTable()
    const broken = new OnefoldError('STORE_UNSAFE', 'broken')
    let lost = false
    b.trouble.request = (verb) => {
      if (verb === 'commit') {
        lost = true
        throw lostCommit()
      }
      if (verb === 'read' && lost) throw broken
    }
    expect(facts(await refusalOf(b.until(toolOf(b)({ ref: 'a' }))))).toMatchObject({ code: 'STORE_UNSAFE' })
  })

  it('and whose rollback and withdrawal fail as well leaves a claim that lapses', async () => {
    const b = onTable()
    const tool = toolOf(b, () => {
      throw new Error('no paper')
    })
    let thrown = false
    b.trouble.request = (verb) => {
      if (verb === 'rollback') thrown = true
      if (verb === 'rollback' || (verb === 'write' && thrown)) throw unavailable()
    }
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(error).toMatchObject({ code: 'REJECTED', effect: 'none', cause: { message: 'no paper' } })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('claimed')
    b.trouble.request = () => undefined
    const again = toolOf(bench({ beside: b, self: 'host/boot/2/2', guarantees: { transactions: true } }))
    await b.until(again({ ref: 'a' }, { waitMs: 60_000 }))
    expect(b.table.rows('a')).toBe(1)
  })

  it('a withdrawal that fails for another reason is not hidden', async () => {
    const b = onTable()
    const tool = toolOf(b, () => {
      throw new Error('no paper')
    })
    let thrown = false
    b.trouble.request = (verb) => {
      if (verb === 'rollback') thrown = true
      if (verb === 'write' && thrown) throw new OnefoldError('STORE_UNSAFE', 'broken')
    }
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ code: 'STORE_UNSAFE' })
  })
})

describe('a tool that ends the transaction itself', () => {
  const escaping = (b: Bench) => toolOf(b, (_input, table) => table.commitAlone())

  it('is in doubt: what it did may stand, without a record', async () => {
    const b = onTable()
    const tool = escaping(b)
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.record(tool, { ref: 'a' })).toMatchObject({
      state: 'in-doubt',
      reason: 'threw',
      openSends: 1,
      checked: true,
    })
    expect(b.record(tool, { ref: 'a' })?.evidence.map(({ what }) => what)).toEqual([
      'the tool ended the transaction of the engine; what it did before may have been committed',
    ])
    expect(b.events.filter(({ name }) => name === 'doubt')).toMatchObject([{ reason: 'threw' }])
    await refusalOf(b.until(tool({ ref: 'a' })))
    await b.time.advance(600_000)
    expect(b.table.rows('a')).toBe(1)
  })

  it.each(['throws', 'asks a question'])('is in doubt also where it then %s', async (how) => {
    const b = onTable()
    const tool = toolOf(b, undefined, {
      execute: (_input: unknown, context: ToolContext) => {
        const table = context.transaction as TableHandle
        table.insert('a')
        table.commitAlone()
        if (how === 'throws') throw new Error('and then it failed')
        return new Question({ text: 'which one?' })
      },
    })
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.table.rows('a')).toBe(1)
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.table.rows('a')).toBe(1)
  })

  it.each([
    ['cannot be reached', ['write', 'read']],
    ['takes nothing', ['write']],
  ])('is a doubt of the caller too where the ledger %s, and is told to it as soon as it can', async (_how, verbs) => {
    const b = onTable()
    let away = false
    b.trouble.request = (verb) => {
      if (verb === 'commit') away = true
      if (verbs.includes(verb) && away && b.time.bootMs() < 20_000) throw unavailable()
    }
    const tool = escaping(b)
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 600_000 })))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'claimed' })
    await b.time.advance(600_000)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'threw' })
    await refusalOf(b.until(tool({ ref: 'a' })))
    expect(b.table.rows('a')).toBe(1)
  })

  it('is told at once where the ledger only answers what it knows: nothing may be decided by its claim', async () => {
    const b = onTable()
    let away = false
    b.trouble.request = (verb) => {
      if (verb === 'commit') away = true
      if (verb === 'write' && away) throw unavailable()
    }
    const tool = escaping(b)
    const since = b.time.bootMs()
    const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 600_000 })))
    expect(error).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown', cause: { code: 'CONTRACT_INVALID' } })
    expect([b.time.bootMs() - since, b.record(tool, { ref: 'a' })?.state]).toEqual([0, 'claimed'])
  })

  it('that lost its claim meanwhile may have acted: trouble with the ledger is no "no effect"', async () => {
    const b = onTable()
    const tool = escaping(b)
    let ended = false
    b.trouble.request = async (verb) => {
      if (verb === 'read' && ended) throw unavailable()
      if (verb !== 'commit') return
      ended = true
      const record = b.record(tool, { ref: 'a' }) as OperationRecord
      const { key, tenant, revision } = record
      const event = { transition: 'T4', from: 'claimed', to: 'claimed', fence: 2, nonce: 'theirs', who: '', openSends: 0 } as const // prettier-ignore
      const draft = { ...record, fence: 2, nonce: 'theirs', leaseMs: 30_000 }
      await b.inner.write({ key, tenant, expect: revision, draft, event })
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  })

  it('whose doubt was not taken after its marker was is doubted by that', async () => {
    const b = onTable()
    let writes = -1
    b.trouble.request = (verb) => {
      if (verb === 'commit') writes = 0
      if (writes >= 0 && (verb === 'write' || verb === 'read') && writes++ >= 1 && writes < 9) throw unavailable()
    }
    const tool = escaping(b)
    await refusalOf(b.until(tool({ ref: 'a' })))
    expect(b.record(tool, { ref: 'a' })?.state).toBe('executing')
    await b.time.advance(10_000)
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'in-doubt', reason: 'threw', openSends: 1 })
    expect(b.table.rows('a')).toBe(1)
  })

  it('an alarm tells what keeps the doubt from being recorded later', async () => {
    const b = onTable()
    let away = false
    b.trouble.request = (verb) => {
      if (verb === 'commit') away = true
      if (!away || (verb !== 'write' && verb !== 'read')) return
      throw b.time.bootMs() < 5_000 ? unavailable() : new OnefoldError('STORE_UNSAFE', 'broken')
    }
    await refusalOf(b.until(escaping(b)({ ref: 'a' })))
    await b.time.advance(10_000)
    expect(b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)).toContain('broken')
  })

  it('tells what else goes wrong', async () => {
    const b = onTable()
    let ended = false
    b.trouble.request = (verb) => {
      if (verb === 'commit') ended = true
      if (verb === 'write' && ended) throw new OnefoldError('STORE_UNSAFE', 'broken')
    }
    expect(facts(await refusalOf(b.until(escaping(b)({ ref: 'a' }))))).toMatchObject({ code: 'STORE_UNSAFE' })
  })

  it.each([1, 2])('is overtaken where somebody has the record before its write %i', async (nth) => {
    const b = onTable()
    const tool = escaping(b)
    const person = bench({ beside: b, guarantees: { transactions: true } })
    await person.until(person.guard.open())
    let ended = 0
    b.trouble.request = async (verb, args) => {
      if (verb === 'commit') ended = 1
      if (verb !== 'write' || ended === 0 || ended++ !== nth) return
      const { key, tenant } = args[0] as { key: string; tenant: string }
      const before = b.recordOf(key) as NonNullable<ReturnType<Bench['recordOf']>>
      // Another engine's step on the same record, whatever it is, under the fence after ours.
      const { createdAt: _since, updatedAt: _now, leaseUntil: _until, revision: _count, ...draft } = before
      await b.inner.write({
        key,
        tenant,
        expect: before.revision,
        draft: {
          ...draft,
          fence: before.fence + 1,
          nonce: 'another',
          leaseMs: 0,
          state: 'committed',
          writeId: 'x',
        } as never,
        event: { transition: 'T5', from: before.state, to: 'committed', fence: before.fence + 1, nonce: 'another', who: 'other', openSends: 0 } as never, // prettier-ignore
      })
    }
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', replayed: true })
    await settle()
  })
})

describe('the end of a transaction and the sequence of the store', () => {
  it('a sequence that fell tells of lost records; a mark in the answer is heard', async () => {
    const b = onTable()
    const tool = toolOf(b)
    await b.until(tool({ ref: 'a' }))
    b.trouble.answer = (verb, _args, answer) => (verb === 'commit' ? { ...(answer as object), sequence: 1 } : undefined)
    await b.until(tool({ ref: 'b' }))
    expect(b.events.filter(({ name }) => name === 'alarm')).toMatchObject([
      { message: expect.stringMatching(/^amnesia: the store's sequence fell from \d+ to 1$/) },
    ])
    expect((await b.inner.epoch()).amnesia).toMatchObject({ lossFrom: 0 })
  })

  it('a mark that somebody set is found out by the answer', async () => {
    const a = onTable()
    const tool = toolOf(a, () => a.inner.markAmnesia({ at: a.time.storeMs(), lossFrom: 0, why: 'told' }))
    await a.until(tool({ ref: 'a' }))
    expect(await a.guard.ledger.amnesia()).toMatchObject({ why: 'told' })
    expect(a.table.rows('a')).toBe(1)
  })
})
