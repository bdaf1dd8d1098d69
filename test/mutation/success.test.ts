import { describe, expect, it } from 'vitest'
import type { FetchMaker } from '../../src/engine/attempt.ts'
import type { Draft, OperationRecord } from '../../src/engine/index.ts'
import { bench, coded, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { alarms, pair } from './corners.ts'

const input = { ref: 'a' }

/** What another engine notes on a record: the same record under a name of its own. */
async function noteOn(b: Bench, record: OperationRecord): Promise<void> {
  const { key, tenant, state, fence, nonce, revision: expect } = record
  const event = { transition: 'delivered', from: state, to: state, fence, nonce, who: 'other', openSends: 0 } as const
  const draft: Draft = { ...record, leaseMs: 0, delivered: true }
  await b.inner.write({ key, tenant, expect, draft: { ...draft, writeId: 'another' }, event })
}

describe('a success', () => {
  it('whose acknowledgement is lost, and on which another engine noted something since, is still this call’s own', async () => {
    const b = bench()
    const tool = b.tool()
    b.trouble.answer = (verb) => {
      const record = b.record(tool, input)
      if (verb !== 'write' || record?.state !== 'committed') return
      return noteOn(b, record).then(() => {
        throw unavailable()
      })
    }
    const outcome = await b.until(tool.perform(input))
    expect(outcome).toMatchObject({ status: 'committed', replayed: false, recorded: true, value: { id: 1, ref: 'a' } })
    expect(await b.history(outcome.key)).toEqual([
      "T1' absent>executing",
      'T5 executing>committed',
      'delivered committed>committed',
    ])
    expect(alarms(b)).toEqual([])
  })

  it('that meets what a person settled without a result is told as their word', async () => {
    const b = bench()
    const tool = b.tool({ timeout: '10m' })
    b.downstream.plan('a', 'hold')
    const call = tool.perform(input)
    await settle()
    b.time.stepStore(40_000)
    const person = bench({ beside: b, self: 'host/boot/2/2' })
    await b.until(person.guard.internals.tick())
    const { key } = b.record(tool, input) as OperationRecord
    await person.guard.ledger.resolve(key, { verdict: 'committed', who: 'ada', note: 'seen' })
    b.downstream.release('a')
    expect(await b.until(call)).toMatchObject({ status: 'committed', replayed: true, value: undefined, missing: expect.any(String) as string }) // prettier-ignore
    expect(alarms(b)).toEqual([])
  })

  it('that cannot be recorded where there is no spool is no alarm: it is offered again', async () => {
    const b = bench({ spool: false })
    b.fault = (point) => {
      if (point === 'before-commit')
        b.trouble.request = (verb) => {
          if (verb === 'write') throw unavailable()
        }
    }
    const { key } = await b.until(b.tool().perform(input))
    b.trouble.request = () => undefined
    await b.time.advance(2_000)
    expect(b.recordOf(key)?.state).toBe('committed')
    expect(alarms(b)).toEqual([])
  })
})

describe('a success that no ledger has yet', () => {
  const shut = (b: Bench): void => {
    b.fault = (point) => {
      if (point === 'before-commit')
        b.trouble.request = (verb) => {
          if (verb === 'write') throw unavailable()
        }
    }
  }

  it('is told to everyone who shares it, each with a copy', async () => {
    const b = bench()
    const tool = b.tool()
    shut(b)
    const [own, shared] = await b.until(Promise.all([tool.perform(input), tool.perform(input)]))
    expect(own).toMatchObject({ status: 'committed', recorded: false, joined: false, attempts: 1 })
    expect(shared).toMatchObject({ status: 'committed', recorded: false, joined: true, attempts: 1 })
    expect(shared.value).toEqual(own.value)
    expect(shared.value).not.toBe(own.value)
  })

  it('is an error for everyone where the contract reads an error as done', async () => {
    const b = bench()
    const execute = (): Promise<never> => Promise.reject(coded('EXISTS'))
    const tool = b.tool({ errors: [{ match: 'EXISTS', effect: 'done' }], execute })
    shut(b)
    for (const told of await b.until(Promise.all([tool.perform(input), tool.perform(input)])))
      expect(told).toMatchObject({ status: 'committed', value: undefined, error: { message: 'EXISTS' } })
  })
})

describe('the spool of an engine that is gone', () => {
  /** An answer that only the spool of the first engine has; the second drains it. */
  async function spooled(options: object = {}) {
    const [a, b] = await pair()
    const tool = a.tool(options)
    a.fault = (point) => {
      if (point === 'before-commit')
        a.trouble.request = () => {
          throw unavailable()
        }
    }
    const { key } = await a.until(tool.perform(input))
    b.time.stepStore(40_000)
    await b.until(b.guard.internals.tick())
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
    b.time.stepStore(60_000)
    const drain = async (): Promise<void> => {
      b.spool.entries.push(...a.spool.entries)
      await b.until(b.guard.internals.tick())
      expect(b.spool.entries).toEqual([])
    }
    return { a, b, key, drain }
  }
  const by = { who: 'ada', note: 'asked' }

  it('tells with an alarm that what a person released has happened', async () => {
    const { b, key, drain } = await spooled()
    await b.guard.ledger.resolve(key, { verdict: 'released', ...by })
    await drain()
    expect((await b.history(key)).at(-1)).toBe('T15 released>committed')
    expect(alarms(b)).toHaveLength(1)
    expect(b.recordOf(key)?.outcome).toMatchObject({ text: '{"id":1,"ref":"a"}' })
  })

  it('tells with an alarm of what has been undone since, and changes nothing', async () => {
    const { b, key, drain } = await spooled({ compensate: () => undefined })
    await b.guard.ledger.resolve(key, { verdict: 'committed', ...by, value: 1 })
    await b.until(b.tool({ compensate: () => undefined }).compensate(input))
    await drain()
    expect(b.recordOf(key)?.state).toBe('compensated')
    expect(alarms(b)).toHaveLength(1)
  })

  it.each([
    ['other answers', 'b'],
    ['equal answers', 'a'],
  ])('tells with an alarm that what a person released was done twice, by %s', async (_what, ref) => {
    const { b, key, drain } = await spooled()
    await b.guard.ledger.resolve(key, { verdict: 'released', ...by })
    await b.until(b.tool({ execute: () => ({ id: 1, ref }) }).perform(input))
    const before = b.recordOf(key)
    await drain()
    expect(b.recordOf(key)).toEqual(before)
    expect(alarms(b)).toEqual([expect.stringContaining('has acted after all')])
  })

  it('is no news where what was released is harmless to do again', async () => {
    const idempotent = { recovery: { class: 'idempotent', precondition: () => true }, execute: () => 'set' }
    const { b, key, drain } = await spooled(idempotent)
    await b.guard.ledger.resolve(key, { verdict: 'released', ...by })
    await b.until(b.tool(idempotent as object).perform(input))
    await drain()
    expect(alarms(b)).toEqual([])
  })

  it('waits for a month where the ledger has no such operation: it may be another ledger’s, or lost here', async () => {
    const { a } = await spooled()
    const other = bench()
    await other.guard.open()
    other.spool.entries.push(...a.spool.entries)
    other.time.pause(31 * 86_400_000 - 3_600_000)
    await other.until(other.guard.internals.tick())
    expect(other.spool.entries).toHaveLength(1)
    other.time.pause(3_600_001)
    await other.until(other.guard.internals.tick())
    expect(other.spool.entries).toEqual([])
  })

  it('that says nothing new is forgotten without a word', async () => {
    const { b, key, drain } = await spooled()
    await b.guard.ledger.resolve(key, { verdict: 'committed', ...by, value: 'hers' })
    const before = b.recordOf(key)
    await drain()
    expect(b.recordOf(key)).toEqual(before)
    expect(alarms(b)).toEqual([])
  })
})

describe('an attempt whose writes were all answered by errors', () => {
  type Answer = {
    readonly status?: number
    readonly isRead?: boolean
    readonly state?: 'answered' | 'sent' | 'unsent'
    readonly isUnseen?: true
  }
  /** A `ctx.fetch` that notes what it was answered. */
  const answering = (answers: readonly Answer[]): FetchMaker => {
    const left = [...answers]
    return (port) => async () => {
      port.checkpoint()
      Object.assign(port.opened(), { state: 'answered', ...left.shift() })
      return new Response()
    }
  }
  const told = async (answers: readonly Answer[]): Promise<readonly unknown[]> => {
    const b = bench({ makeFetch: answering(answers) })
    const tool = b.tool({
      execute: async (input: OrderInput, context: { fetch: typeof fetch }) => {
        for (const _each of answers) await context.fetch('http://shop')
        return input
      },
    })
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ ref: 'a' })
    expect(b.record(tool, { ref: 'a' })?.state).toBe('committed')
    return alarms(b)
  }
  const alarm = (status: number): unknown[] => [expect.stringContaining(`though the service answered ${status}`)]

  it.each([
    [[{ status: 400 }], 400],
    [[{ status: 503 }], 503],
    [[{ status: 404 }, { status: 422 }], 422],
    [[{ status: 200, isRead: true }, { status: 500 }], 500],
    [[{ status: 500 }, { status: 200, isRead: true }], 500],
  ] as const)('is done all the same where the tool returned a value, with an alarm: %j', async (answers, status) => {
    expect(await told(answers)).toEqual(alarm(status))
  })

  it.each([
    [[{ state: 'unsent' }], 'its request was never sent'],
    [[{ status: 503 }, { state: 'unsent' }], 'its request was never sent'],
    [[{ state: 'sent' }], 'its request was not answered'],
    [[{ state: 'unsent' }, { state: 'sent' }], 'its request was not answered'],
  ] as const)('and so where it was not answered: %j', async (answers, why) => {
    expect(await told(answers)).toEqual([expect.stringContaining(`though ${why}`)])
  })

  it.each([
    [[{ status: 399 }]],
    [[{ status: 500 }, { status: 201 }]],
    [[{ status: 201 }, { status: 500 }]],
    [[{ state: 'sent', isUnseen: true }]],
    [[{ status: 500 }, { state: 'sent', isUnseen: true }]],
    [[{ state: 'sent' }, { status: 200, isRead: true }]],
    [[{ status: 200 }, { state: 'unsent' }]],
    [[{}]],
    [[{ status: 500 }, {}]],
    [[{ status: 500, isRead: true }]],
    [[]],
  ] as const)('raises none otherwise: %j', async (answers) => {
    expect(await told(answers)).toEqual([])
  })
})
