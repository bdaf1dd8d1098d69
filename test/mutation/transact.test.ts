import { describe, expect, it } from 'vitest'
import type { OnefoldError } from '../../src/error/index.ts'
import { coded, facts, refusalOf, unavailable, type Bench, type OrderInput, type Verb } from './bench.ts'
import { Question } from '../../src/engine/index.ts'
import { expectOvertaken, fail, onTable, toolOf } from './on-table.ts'
import type { TableHandle } from './table.ts'

describe('a transactional tool', () => {
  it('commits its rows with T2 and T5 in one transaction, and replays', async () => {
    const b = onTable()
    const seen: unknown[] = []
    const tool = toolOf(b, (input) => void seen.push(b.record(tool, input)?.state, b.table.rows('a')))
    const first = await b.until(tool.perform({ ref: 'a' }))
    expect(first).toMatchObject({
      status: 'committed',
      value: { id: 1, ref: 'a' },
      replayed: false,
      recorded: true,
      attempts: 1,
    })
    expect(seen).toEqual(['claimed', 0])
    expect(await b.history(first.key)).toEqual(['T1 absent>claimed', 'T2 claimed>executing', 'T5 executing>committed'])
    expect(b.record(tool, { ref: 'a' })).toMatchObject({
      state: 'committed',
      outcome: { kind: 'value' },
      openSends: 0,
      attempts: 1,
      leaseUntil: 0,
    })
    expect(b.events.map(({ event }) => (event as { transition: string }).transition)).toEqual(['T1', 'T2', 'T5'])
    expect(b.points).toEqual(['before-claim', 'claimed', 'prepared', 'marked', 'answered', 'before-commit', 'committed']) // prettier-ignore
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true, value: first.value })
    expect([b.table.rows('a'), b.table.open()]).toEqual([1, 0])
  })

  it('that asks a question has done nothing: the next round begins anew, and acts once', async () => {
    const b = onTable()
    let asked = 0
    const tool = b.tool({
      recovery: { class: 'transactional' },
      execute: (input: OrderInput, { transaction }: { transaction: TableHandle }) => {
        transaction.insert(input.ref)
        return (asked += 1) === 1 ? new Question({ sure: true }) : { id: asked, ref: input.ref }
      },
    })
    const first = await b.until(tool.perform({ ref: 'a' }))
    expect(first).toMatchObject({ status: 'awaiting-input', value: { sure: true }, replayed: false })
    expect([b.table.rows('a'), b.table.open(), b.record(tool, { ref: 'a' })?.state]).toEqual([0, 0, 'released'])
    const last = await b.until(tool.perform({ ref: 'a' }, { round: 'yes' }))
    expect(last).toMatchObject({ status: 'committed', value: { id: 2 }, replayed: false })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: true })
    expect([b.table.rows('a'), b.table.open()]).toEqual([1, 0])
  })

  it('is told apart from what it calls: a frame of its own, with the run, and no fetch', async () => {
    const b = onTable()
    const seen: unknown[] = []
    const tool = toolOf(b, (input, _table, context) => {
      seen.push(context.run?.id, context.attempt)
      expect(() => context.fetch).toThrow(expect.objectContaining({ code: 'CONTRACT_INVALID' }))
      return tool(input).then(undefined, (error: unknown) => seen.push((error as OnefoldError).code))
    })
    await b.until(b.guard.run({ id: 'run-1' }, () => tool({ ref: 'a' })))
    expect(seen).toEqual(['run-1', 0, 'RECURSIVE_OPERATION'])
    expect(b.table.rows('a')).toBe(1)
  })

  it('begins no transaction from inside another, also by way of a tool without one; after its end it does', async () => {
    const b = onTable()
    const inner = toolOf(b, undefined, { name: 'inner' })
    const between = b.tool({ name: 'between', execute: (input: OrderInput) => inner(input) })
    const codes: unknown[] = []
    const tell = (error: OnefoldError) => codes.push(error.code, error.effect)
    let end = (): void => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let later: Promise<unknown> | undefined
    const tool = toolOf(b, async (input) => {
      await inner({ ref: 'b' }).catch(tell)
      await between({ ref: 'b' }).catch((error: OnefoldError) => tell(error.cause as OnefoldError))
      later = ended.then(() => inner(input))
    })
    await b.until(tool({ ref: 'a' }))
    end()
    await b.until(later as Promise<unknown>)
    expect(codes).toEqual(['CONTRACT_INVALID', 'none', 'CONTRACT_INVALID', 'none'])
    expect([b.table.rows('a'), b.table.rows('b'), b.table.open()]).toEqual([2, 0, 0])
  })

  it('that throws has done nothing: T3, and the next call is a new claim', async () => {
    const b = onTable()
    const problem = new Error('no paper')
    let fails = true
    const tool = toolOf(b, () => {
      if (fails) throw problem
    })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: false })
    expect(error.cause).toBe(problem)
    expect([b.table.rows('a'), b.table.open()]).toEqual([0, 0])
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0, attempts: 0 })
    fails = false
    await b.until(tool({ ref: 'a' }))
    expect(await b.history(error.key ?? '')).toEqual([
      'T1 absent>claimed',
      'T3 claimed>released',
      'T18 released>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
    expect(b.table.rows('a')).toBe(1)
  })

  it.each(['40001', '40P01'])(
    'undone by the server for reasons of the moment (%s) may be called again',
    async (code) => {
      const b = onTable()
      const tool = toolOf(b, () => {
        throw coded(code)
      })
      expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ effect: 'none', retryable: true })
      expect([b.table.rows('a'), b.table.open()]).toEqual([0, 0])
    },
  )

  it('that throws nothing at all is refused all the same', async () => {
    const b = onTable()
    const tool = toolOf(b, () => {
      // oxlint-disable-next-line typescript/only-throw-error -- a tool may
      throw undefined
    })
    expect(facts(await refusalOf(b.until(tool({ ref: 'a' }))))).toMatchObject({ effect: 'none', retryable: false })
  })

  it('that outlives its deadline is undone, and told to stop', async () => {
    const b = onTable()
    let signal: AbortSignal | undefined
    const tool = toolOf(
      b,
      (_input, _table, context) => {
        signal = context.signal
        return new Promise(() => undefined)
      },
      { timeout: '5s' },
    )
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ effect: 'none', retryable: true })
    expect((error.cause as Error).name).toBe('TimeoutError')
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' })
    expect([b.table.rows('a'), b.table.open()]).toEqual([0, 0])
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
  })

  it('prepares before the transaction begins', async () => {
    const b = onTable()
    const tool = toolOf(b, undefined, {
      prepare: (input: OrderInput) => {
        expect(b.table.open()).toBe(0)
        return { ...input, note: 'prepared' }
      },
    })
    await b.until(tool({ ref: 'a' }))
    expect(b.record(tool, { ref: 'a' })?.input).toBe('{"ref":"a","note":"prepared"}')
  })

  it('whose lease is over before the transaction begins starts nothing, and ends the transaction', async () => {
    const b = onTable()
    b.trouble.answer = (verb) => {
      if (verb === 'begin') b.time.pause(60_000)
    }
    const tool = toolOf(b)
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'REJECTED', effect: 'none', retryable: true })
    expect(error).toMatchObject({ message: expect.stringContaining('lease was over before its first byte') as string })
    expect([b.table.rows('a'), b.table.open()]).toEqual([0, 0])
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
  })

  it('without a transaction starts nothing, and takes its claim back', async () => {
    const b = onTable()
    fail(b, 'request', 'begin', unavailable, 1)
    const tool = toolOf(b)
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none', retryable: true })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('released')
    await b.until(tool({ ref: 'a' }))
    expect(b.table.rows('a')).toBe(1)
  })

  it('keeps its claim with heartbeats while it works, and commits on what they left', async () => {
    const b = onTable()
    const tool = toolOf(b, () => b.time.advance(90_000), { timeout: '5m' })
    const outcome = await b.until(tool.perform({ ref: 'a' }))
    expect(outcome.status).toBe('committed')
    expect(b.record(tool, { ref: 'a' })?.revision).toBeGreaterThan(3)
    expect(b.table.rows('a')).toBe(1)
  })

  it('that was taken over while it slept can no longer commit: its rows are undone', async () => {
    const a = onTable()
    const b = onTable({ beside: a, self: 'host/boot/2/2' })
    const there = toolOf(b)
    let wake = (): void => {}
    // Begun out here, so that it is no part of the operation that sleeps.
    const elsewhere = new Promise<void>((resolve) => (wake = resolve)).then(() => b.until(there({ ref: 'a' })))
    const here = toolOf(a, async () => {
      a.time.pause(60_000)
      wake()
      await elsewhere
    })
    const outcome = await a.until(here.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', replayed: true })
    expect([a.table.rows('a'), a.table.open()]).toEqual([1, 0])
    expect(await a.history(outcome.key)).toEqual([
      'T1 absent>claimed',
      'T4 claimed>claimed',
      'T2 claimed>executing',
      'T5 executing>committed',
    ])
  })

  it('that loses its record between answer and commit is undone by the conflict', async () => {
    await expectOvertaken((other) => {
      let met = false
      return async (verb) => {
        if (verb !== 'commit' || met) return
        met = true
        await other()
      }
    })
  })
})

describe('a transactional tool and its heartbeats', () => {
  const quick = (): Bench => onTable({ settings: { heartbeatMs: 400 } })
  /** Lets several heartbeats' time pass during each call of a verb, less than the store's deadline. */
  const slow = (b: Bench, ...verbs: readonly Verb[]): void => {
    b.trouble.request = async (verb) => {
      if (verbs.includes(verb)) await b.time.advance(1_500)
    }
  }
  const beats = async (b: Bench): Promise<number> => {
    const [{ key } = { key: '' }] = (await b.guard.ledger.list()).records
    return (await b.history(key)).filter((step) => step.startsWith('heartbeat')).length
  }

  it('does not beat into its own commit', async () => {
    const b = quick()
    const tool = toolOf(b)
    await b.until(b.guard.open())
    slow(b, 'commit')
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: false })
    expect([b.table.rows('a'), await beats(b)]).toEqual([1, 0])
  })

  it('beats no more once it is being undone', async () => {
    const b = quick()
    const tool = toolOf(b, () => {
      throw new Error('no paper')
    })
    await b.until(b.guard.open())
    slow(b, 'rollback')
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'REJECTED' })
    expect(await beats(b)).toBe(0)
  })

  it('that has no transaction beats no more while its claim is taken back', async () => {
    const b = quick()
    const tool = toolOf(b)
    await b.until(b.guard.open())
    let failed = false
    b.trouble.request = async (verb) => {
      if (verb === 'begin') {
        failed = true
        throw unavailable()
      }
      if (verb !== 'write' || !failed) return
      failed = false
      await b.time.advance(1_500)
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await beats(b)).toBe(0)
  })
})
