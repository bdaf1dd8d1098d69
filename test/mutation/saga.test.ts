import { describe, expect, it } from 'vitest'
import { probe, type ToolContext } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import type { ProtectedTool, SagaOptions, SagaResults, SagaStep } from '../../src/engine/index.ts'
import {
  anything,
  bench,
  coded,
  facts,
  refusalOf,
  settle,
  unavailable,
  type Bench,
  type OrderInput,
  type Placed,
} from './bench.ts'

interface Checkout {
  readonly order: string
  readonly note?: string
}

const toolOf = (b: Bench, name: string, options: Partial<Record<string, unknown>> = {}) => b.tool({ name, ...options })
const refOf =
  (name: string) =>
  ({ order }: Checkout): OrderInput => ({ ref: `${name}-${order}` })

/** Reserve, charge, ship; undone by refund and release. */
function checkout(b: Bench, options: SagaOptions<Checkout> = {}, tools: Partial<Record<string, unknown>> = {}) {
  const undo = (name: string) => ({ tool: toolOf(b, name, tools), input: refOf(name) })
  return b.guard.saga<Checkout>(
    'checkout',
    [
      { tool: toolOf(b, 'reserve', tools), input: refOf('reserve'), undo: undo('release') },
      { tool: toolOf(b, 'charge', tools), input: refOf('charge'), undo: undo('refund') },
      { tool: toolOf(b, 'ship', tools), input: refOf('ship') },
    ],
    options,
  )
}

const PARTS = ['reserve', 'charge', 'ship', 'refund', 'release']
const effects = (b: Bench, order = 'o'): number[] => PARTS.map((part) => b.downstream.effects(`${part}-${order}`))
const thrownBy = (work: () => unknown): unknown => {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}

describe('a saga', () => {
  it('does its steps in order, once, and answers again what they answered', async () => {
    const b = bench()
    const saga = checkout(b)
    const end = await b.until(saga({ order: 'o' }))
    expect(end).toEqual({
      status: 'done',
      results: {
        reserve: { id: 1, ref: 'reserve-o' },
        charge: { id: 1, ref: 'charge-o' },
        ship: { id: 1, ref: 'ship-o' },
      },
    })
    expect(await b.until(saga({ order: 'o' }))).toEqual(end)
    expect(b.downstream.log).toEqual(['reserve-o:ok', 'charge-o:ok', 'ship-o:ok'])
    const { record, key } = await b.until(saga.perform({ order: 'o' }))
    expect(record).toMatchObject({ tool: 'checkout', recovery: 'composite', state: 'committed' })
    expect(record?.children).toHaveLength(3)
    const [first] = record?.children ?? []
    expect(b.recordOf(first ?? '')).toMatchObject({ tool: 'reserve', parent: { key, ordinal: 0 } })
    expect((await b.guard.ledger.list({ tool: 'checkout.undo' })).records).toEqual([])
  })

  it('refused at a step, is undone in reverse, once, and says why', async () => {
    const b = bench()
    const saga = checkout(b)
    b.downstream.plan('ship-o', 'refuse')
    const end = await b.until(saga({ order: 'o' }))
    expect(end).toEqual({ status: 'undone', results: {}, failed: 'ship', why: expect.stringContaining('DECLINED') })
    expect(await b.until(saga({ order: 'o' }))).toEqual(end)
    expect(b.downstream.log).toEqual(['reserve-o:ok', 'charge-o:ok', 'ship-o:refuse', 'refund-o:ok', 'release-o:ok'])
    expect((await b.guard.ledger.stats()).states).toMatchObject({ compensated: 2 })
    const [verdict] = (await b.guard.ledger.list({ tool: 'checkout.undo' })).records
    expect(verdict?.state).toBe('committed')
    expect(verdict?.parent).toMatchObject({ ordinal: 3 })
    const undos = (await b.guard.ledger.list({ tool: 'refund' })).records.map(({ parent }) => parent?.ordinal)
    expect(undos).toEqual([5])
  })

  it('once its verdict stands, only goes backward, whatever the step would answer now', async () => {
    const a = bench()
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    const here = checkout(a)
    const there = checkout(b)
    a.downstream.plan('ship-o', 'refuse')
    // The first process dies while it refunds: nothing of it runs on.
    a.downstream.plan('refund-o', 'hold')
    const lost = here({ order: 'o' })
    lost.catch(() => undefined)
    await a.time.advance(10)
    a.trouble.request = () => new Promise(() => undefined)
    a.dead.add('host/boot/1/1')
    b.dead.add('host/boot/1/1')
    await b.until(b.guard.open())
    await b.time.advance(31_000)
    const refund = (await b.guard.ledger.list({ tool: 'refund' })).records[0]
    expect(refund?.state).toBe('in-doubt')
    await b.until(b.guard.ledger.resolve(refund?.key ?? '', { verdict: 'committed', who: 'me', note: 'seen' }))
    const end = await b.until(there({ order: 'o' }))
    expect(end).toMatchObject({ status: 'undone', failed: 'ship' })
    expect(effects(b)).toEqual([1, 1, 0, 1, 1])
  })

  it('a step of an unknown end keeps it from going on, either way', async () => {
    const b = bench()
    const saga = checkout(b)
    b.downstream.plan('charge-o', 'lose-answer')
    await refusalOf(b.until(saga({ order: 'o' })))
    expect(effects(b)).toEqual([1, 1, 0, 0, 0])
    const [charge] = (await b.guard.ledger.list({ tool: 'charge' })).records
    expect(charge?.state).toBe('in-doubt')
    await b.until(
      b.guard.ledger.resolve(charge?.key ?? '', { verdict: 'committed', who: 'me', note: 'seen', value: 7 }),
    )
    const end = await b.until(saga({ order: 'o' }))
    expect(end).toMatchObject({ status: 'done', results: { charge: 7 } })
    expect(effects(b)).toEqual([1, 1, 1, 0, 0])
  })

  it.each([
    ['INPUT_INVALID', 'none', false, true],
    ['KEY_INVALID', 'none', false, true],
    ['KEY_MISSING', 'none', false, true],
    ['COMPENSATED', 'none', false, true],
    ['COMPENSATED', 'done', false, false],
    ['KEY_REUSED', 'done', false, true],
    ['REJECTED', 'none', true, false],
    ['REJECTED', 'unknown', false, false],
    ['HELD', 'none', false, false],
    ['IN_PROGRESS', 'unknown', true, false],
  ] as const)(
    'a step that answers %s (%s, retryable %s): is it for good? %s',
    async (code, effect, retryable, final) => {
      const b = bench()
      const tool = toolOf(b, 'reserve')
      const failing = Object.assign((): never => undefined as never, tool, {
        perform: () => Promise.reject(new OnefoldError(code, 'so', { effect, retryable })),
      }) as unknown as ProtectedTool<never, unknown>
      const saga = b.guard.saga<Checkout>('s', [{ tool: failing, input: refOf('reserve') }])
      const call = b.until(saga.perform({ order: 'o' }, { waitMs: 1_000, onDoubt: 'return' }))
      const end = await call.then(
        ({ value }) => value?.status,
        () => 'thrown',
      )
      expect(end === 'undone').toBe(final)
    },
  )

  it('an input that cannot be made of what came before ends it, and undoes what was done', async () => {
    const b = bench()
    const steps: SagaStep<Checkout>[] = [
      { tool: toolOf(b, 'reserve'), input: refOf('reserve'), undo: { tool: toolOf(b, 'release'), input: refOf('release') } }, // prettier-ignore
      {
        tool: toolOf(b, 'ship'),
        input: (_input: Checkout, results: SagaResults) => {
          // oxlint-disable-next-line typescript/only-throw-error -- an input may
          throw (results['reserve'] as Placed).ref === 'reserve-text' ? 'no address' : new Error('no street')
        },
      },
    ]
    const saga = b.guard.saga('two', steps)
    expect(await b.until(saga({ order: 'o' }))).toMatchObject({ status: 'undone', failed: 'ship', why: 'no street' })
    expect(await b.until(saga({ order: 'text' }))).toMatchObject({ failed: 'ship', why: 'no address' })
    expect(effects(b)).toEqual([1, 0, 0, 0, 1])
  })

  it('undoes by the compensation that a contract declares, and reads again what a read answered', async () => {
    const b = bench()
    const undone: unknown[] = []
    const compensate = (value: unknown) => void undone.push(value)
    let reads = 0
    const seen: unknown[] = []
    const look = b.tool({ name: 'look', effect: 'read', identity: undefined, ignore: undefined, errors: undefined, recovery: undefined, execute: () => (reads += 1) }) // prettier-ignore
    const saga = b.guard.saga<Checkout>('mixed', [
      { tool: look as never, input: () => ({ ref: 'x' }) },
      { tool: toolOf(b, 'reserve', { compensate }), input: refOf('reserve') },
      { tool: toolOf(b, 'pack', { compensate }), input: refOf('pack'), undo: 'compensate' },
      { tool: toolOf(b, 'note'), input: refOf('note'), undo: 'none' },
      {
        tool: toolOf(b, 'charge'),
        input: refOf('charge'),
        undo: {
          tool: toolOf(b, 'refund'),
          input: ({ order }: Checkout, results: SagaResults) => {
            seen.push(results)
            return { ref: `refund-${order}` }
          },
        },
      },
      { name: 'last', tool: toolOf(b, 'ship'), input: refOf('ship') },
    ])
    b.downstream.plan('ship-o', 'refuse')
    expect(await b.until(saga({ order: 'o' }))).toMatchObject({ status: 'undone', failed: 'last' })
    expect(undone).toEqual([
      { id: 1, ref: 'pack-o' },
      { id: 1, ref: 'reserve-o' },
    ])
    expect(reads).toBe(2)
    expect(seen).toEqual([
      {
        look: 2,
        reserve: { id: 1, ref: 'reserve-o' },
        pack: { id: 1, ref: 'pack-o' },
        note: { id: 1, ref: 'note-o' },
        charge: { id: 1, ref: 'charge-o' },
      },
    ])
    expect([b.downstream.effects('note-o'), ...effects(b)]).toEqual([1, 1, 1, 0, 1, 0])
  })

  it('undoes a step whose result was not kept without it', async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const undone: unknown[] = []
    const saga = b.guard.saga<Checkout>('s', [
      { tool: toolOf(b, 'reserve', { compensate: (value: unknown) => void undone.push(value) }), input: refOf('reserve') }, // prettier-ignore
      { tool: toolOf(b, 'ship'), input: refOf('ship') },
    ])
    b.downstream.plan('ship-o', 'refuse')
    b.trouble.answer = (verb) => {
      if (verb === 'getBlob') return Uint8Array.of(1)
      return undefined
    }
    await b.until(saga({ order: 'o' }))
    expect(undone).toEqual([undefined])
  })

  it('waits for a step that is accepted, and goes on when it is confirmed', async () => {
    const b = bench()
    let happened: boolean | undefined
    const saga = b.guard.saga<Checkout>('s', [{ tool: toolOf(b, 'ship', { verify: () => happened }), input: refOf('ship') }]) // prettier-ignore
    const error = await refusalOf(b.until(saga({ order: 'o' }, { waitMs: 1_000 })))
    expect(facts(error)).toMatchObject({ effect: 'unknown' })
    happened = true
    await b.time.advance(10_000)
    expect(await b.until(saga({ order: 'o' }))).toMatchObject({ status: 'done' })
    expect(b.downstream.effects('ship-o')).toBe(1)
  })

  it('tells which step is not confirmed, where the ledger is away by then', async () => {
    const b = bench()
    const ship = toolOf(b, 'ship', { verify: () => undefined })
    const saga = b.guard.saga<Checkout>('s', [{ tool: ship, input: refOf('ship') }])
    b.fault = (point) => {
      if (point !== 'doubted') return
      b.trouble.request = () => {
        throw unavailable()
      }
    }
    const error = await refusalOf(b.until(saga({ order: 'o' })))
    const { key } = b.record(ship, { ref: 'ship-o' }) ?? {}
    expect(error).toMatchObject({
      code: 'IN_DOUBT',
      cause: { code: 'IN_PROGRESS', effect: 'unknown', retryable: true, key },
    })
  })

  it('a step that is found done lets it run forward', async () => {
    const a = bench()
    const saga = checkout(
      a,
      {},
      { recovery: probe((input: OrderInput) => a.downstream.find(input.ref), { settle: '1ms' }) },
    )
    a.downstream.plan('charge-o', 'lose-answer')
    expect(await a.until(saga({ order: 'o' }))).toMatchObject({ status: 'done' })
    expect(effects(a)).toEqual([1, 1, 1, 0, 0])
  })

  describe('whose process died while its verdict was written', () => {
    async function dying() {
      const a = bench()
      const b = bench({ beside: a, self: 'host/boot/2/2' })
      const there = checkout(b)
      a.downstream.plan('ship-o', 'refuse')
      let marks = 0
      a.fault = (point) => {
        if (point !== 'marked' || (marks += 1) !== 5) return // Saga, steps, verdict.
        a.trouble.request = () => new Promise(() => undefined)
        return new Promise<void>(() => undefined)
      }
      void checkout(a)({ order: 'o' }).catch(() => undefined)
      await a.time.advance(10)
      const verdict = async () => (await a.inner.list({ tool: 'checkout.undo', tenant: 'default' })).records[0]
      return { a, b, there, verdict }
    }

    it('has its verdict recovered, though a person has closed the saga', async () => {
      const { a, b, verdict } = await dying()
      a.time.stepStore(31_000)
      await b.until(b.guard.internals.tick())
      const [saga] = (await b.guard.ledger.list({ tool: 'checkout' })).records
      await b.guard.ledger.resolve(saga?.key ?? '', { verdict: 'abandoned', who: 'ada', note: 'n' })
      await b.time.advance(5_000)
      expect((await verdict())?.state).toBe('committed')
    })

    it('runs forward when a person says that there was none', async () => {
      const { a, b, there, verdict } = await dying()
      a.time.stepStore(31_000)
      b.trouble.request = (verb, args) => {
        // Nothing recovers it before the person has spoken.
        const { event } = (args[0] ?? {}) as { event?: { to?: string } }
        if (verb === 'write' && event?.to === 'recovering') throw unavailable()
      }
      await b.until(b.guard.internals.tick())
      a.time.stepStore(61_000)
      const { key = '' } = (await verdict()) ?? {}
      await b.until(b.guard.ledger.resolve(key, { verdict: 'released', who: 'ada', note: 'n' }))
      b.trouble.request = () => undefined
      expect(await b.until(there({ order: 'o' }, { waitMs: 60_000 }))).toMatchObject({ status: 'done' })
      expect(effects(b)).toEqual([1, 1, 1, 0, 0])
    })
  })

  it('takes its options', async () => {
    const b = bench()
    const saga = checkout(b, {
      input: anything as never,
      identity: ['order'],
      ignore: ['note'],
      version: 3,
      retention: '10d',
      timeout: '1s',
    })
    expect(saga.contract).toMatchObject({ name: 'checkout', major: 3, timeoutMs: 1_000, retentionMs: 864_000_000 })
    await b.until(saga({ order: 'o', note: 'x' }))
    expect(await b.until(saga.perform({ order: 'o', note: 'y' }))).toMatchObject({ replayed: true })
    const plain = b.guard.saga<Checkout>('plain', [{ tool: toolOf(b, 'ship'), input: refOf('ship') }])
    expect(plain.contract).toMatchObject({ major: 1, timeoutMs: 300_000 })
    await b.until(plain({ order: 'o', note: 'x' }))
    expect((await b.until(plain.perform({ order: 'o', note: 'y' }))).replayed).toBe(false)
  })

  it('refuses what cannot be undone, in words', () => {
    const b = bench()
    const step = (name: string, options: object = {}, tool: object = {}): SagaStep<Checkout> => ({
      tool: toolOf(b, name, tool),
      input: refOf(name),
      ...options,
    })
    const refused = (...steps: SagaStep<Checkout>[]): unknown => thrownBy(() => b.guard.saga('s', steps))
    const compensate = (): void => {}
    expect(refused()).toMatchObject({ code: 'CONTRACT_INVALID' })
    expect(refused(step('a', { undo: 'none' }), step('a'))).toMatchObject({ message: expect.stringContaining('two steps called a') }) // prettier-ignore
    expect(refused(step('a', { undo: 'none' }), step('a', { name: 'b' }))).toBeUndefined()
    expect(refused(step('c'), step('d'))).toMatchObject({ message: expect.stringContaining('says not how') })
    expect(refused(step('e', { undo: 'compensate' }), step('f'))).toMatchObject({ message: expect.stringContaining('does not declare') }) // prettier-ignore
    expect(refused(step('g', {}, { compensate }), step('h'))).toBeUndefined()
    expect(refused(step('i'))).toBeUndefined()
    const other = toolOf(bench(), 'foreign')
    expect(refused({ tool: other, input: refOf('x') })).toMatchObject({
      message: expect.stringContaining('same guard'),
    })
    expect(refused(step('j', { undo: { tool: other, input: refOf('x') } }), step('k'))).toMatchObject({
      message: expect.stringContaining('same guard'),
    })
  })
})

describe('a saga that many call', () => {
  it('is one', async () => {
    const b = bench()
    const saga = checkout(b)
    const ends = await b.until(Promise.all(Array.from({ length: 8 }, () => saga({ order: 'o' }))))
    expect(new Set(ends.map((end) => JSON.stringify(end))).size).toBe(1)
    expect(effects(b)).toEqual([1, 1, 1, 0, 0])
    await settle()
  })

  it('that is refused before its first step was sent has nothing to undo', async () => {
    const b = bench()
    let fails = true
    const saga = checkout(
      b,
      {},
      {
        prepare: (_input: OrderInput, _context: ToolContext) => {
          if (fails) throw coded('EAGAIN')
        },
      },
    )
    const end = await b.until(saga({ order: 'o' }))
    expect(end).toMatchObject({ status: 'undone', failed: 'reserve', why: expect.stringContaining('EAGAIN') })
    expect(b.downstream.log).toEqual([])
    fails = false
    expect(await b.until(saga({ order: 'p' }))).toMatchObject({ status: 'done' })
  })
})
