import { expect, it } from 'vitest'
import type { FaultPoint } from '../../src/engine/index.ts'
import { bench, facts, refusalOf, settle, unavailable, type Bench } from './bench.ts'

/** The engine stops for good at this point of an attempt. */
function diesAt(b: Bench, where: FaultPoint): void {
  b.fault = (point) => {
    if (point !== where) return undefined
    b.trouble.request = () => {
      throw unavailable()
    }
    return new Promise(() => undefined)
  }
}

/** An order, and an engine beside that lives on. */
function two(options: Partial<Record<string, unknown>> = {}) {
  const dying = bench()
  const living = bench({ beside: dying, self: 'host/boot/2/2' })
  const undone: unknown[] = []
  const declared = { compensate: (value: unknown) => void undone.push(value), ...options }
  return { dying, living, undone, tools: [dying.tool(declared), living.tool(declared)] as const }
}

const alarms = (b: Bench) => b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)
const FORSAKEN = expect.stringContaining('nobody goes on with it') as string

it.each([1, 2])(
  'an undo that was done before its process died is recorded as done (occurrence %i)',
  async (occurrence) => {
    const { dying, living, undone, tools } = two()
    await dying.until(tools[0]({ ref: 'a' }, { occurrence }))
    await living.until(living.guard.open())
    diesAt(dying, 'committed')
    void tools[0].compensate({ ref: 'a' }, { occurrence }).catch(() => undefined)
    await settle()
    await dying.time.advance(60_000)
    expect(living.record(tools[1], { ref: 'a' }, { occurrence })?.state).toBe('compensated')
    expect(facts(await refusalOf(living.until(tools[1]({ ref: 'a' }, { occurrence }))))).toMatchObject({
      code: 'COMPENSATED',
      effect: 'none',
    })
    expect([undone.length, alarms(living)]).toEqual([1, []])
  },
)

it.each(['before-claim', 'claimed'] as const)(
  'an undo whose process died at %s is told of once, and goes on when it is asked for again',
  async (where) => {
    const { dying, living, undone, tools } = two()
    await dying.until(tools[0]({ ref: 'a' }))
    await living.until(living.guard.open())
    diesAt(dying, where)
    void tools[0].compensate({ ref: 'a' }).catch(() => undefined)
    await settle()
    await dying.time.advance(600_000)
    expect(living.record(tools[1], { ref: 'a' })?.state).toBe('compensating')
    if (where === 'claimed') {
      // Its marker was written with its claim: a doubt of its own, which is listed.
      const { records } = await living.guard.ledger.list({ states: ['in-doubt'] })
      expect([records.map(({ tool }) => tool), alarms(living)]).toEqual([['place_order.compensate'], []])
      return
    }
    expect(alarms(living)).toEqual([FORSAKEN])
    await living.until(tools[1].compensate({ ref: 'a' }))
    expect([living.record(tools[1], { ref: 'a' })?.state, undone.length]).toEqual(['compensated', 1])
  },
)

it('an undo that was refused is told of', async () => {
  const refuse = (): never => {
    throw Object.assign(new Error('no'), { code: 'x' })
  }
  const { living, tools } = two({ compensate: refuse })
  await living.until(tools[1]({ ref: 'a' }))
  await refusalOf(living.until(tools[1].compensate({ ref: 'a' })))
  const { records } = await living.guard.ledger.list({ states: ['in-doubt'] })
  await living.time.advance(120_000)
  expect(alarms(living)).toEqual([])
  await living.until(living.guard.ledger.resolve(records[0]!.key, { verdict: 'released', who: 'ada', note: 'n' }))
  await living.time.advance(120_000)
  expect(alarms(living)).toEqual([FORSAKEN])
})

it('an undo that a person closed without knowing is told of as that', async () => {
  const refuse = (): never => {
    throw Object.assign(new Error('no'), { code: 'x' })
  }
  const { living, tools } = two({ compensate: refuse })
  await living.until(tools[1]({ ref: 'a' }))
  await refusalOf(living.until(tools[1].compensate({ ref: 'a' })))
  const { records } = await living.guard.ledger.list({ states: ['in-doubt'] })
  await living.until(living.guard.ledger.resolve(records[0]!.key, { verdict: 'abandoned', who: 'ada', note: 'n' }))
  await living.time.advance(600_000)
  expect(alarms(living)).toEqual([expect.stringContaining('a person closed its undo')])
})

it('tools whose names are as long as a name may be are undone, and looked after, each for itself', async () => {
  const long = 'x'.repeat(127)
  const { dying, living, undone } = two()
  const declared = (b: Bench, name: string) => b.tool({ name, compensate: () => void undone.push(name) })
  const [first, second] = [declared(dying, `${long}a`), declared(dying, `${long}b`)]
  for (const tool of [first, second]) await dying.until(tool({ ref: 'a' }))
  await dying.until(second.compensate({ ref: 'a' }))
  await living.until(living.guard.open())
  diesAt(dying, 'before-claim')
  void first.compensate({ ref: 'a' }).catch(() => undefined)
  await settle()
  await dying.time.advance(60_000)
  expect(alarms(living)).toEqual([FORSAKEN])
  await living.until(declared(living, `${long}a`).compensate({ ref: 'a' }))
  expect(undone).toEqual([`${long}b`, `${long}a`])
  expect(living.record(first, { ref: 'a' })?.state).toBe('compensated')
})

it('a later undo is looked after as the earlier ones were, which are done', async () => {
  const { dying, living, tools } = two()
  for (const ref of ['a', 'b']) {
    await living.until(tools[1]({ ref }))
    const dies = ref === 'a' ? dying : bench({ beside: dying, self: 'host/boot/3/3' })
    const tool = dies.tool({ compensate: () => undefined })
    await dies.until(dies.guard.open())
    diesAt(dies, 'before-claim')
    void tool.compensate({ ref }).catch(() => undefined)
    await settle()
    await dying.time.advance(60_000)
    await living.until(tools[1].compensate({ ref }))
    await dying.time.advance(600_000)
  }
  expect(alarms(living)).toEqual([FORSAKEN, FORSAKEN])
})

it.each([
  ['runs', []],
  ['has been given up', [FORSAKEN]],
] as const)('what a saga that %s undoes is told of where nobody goes on', async (_, told) => {
  const b = bench()
  const book = b.tool({ name: 'book' })
  const cancel = b.tool({ name: 'cancel' })
  const pay = b.tool({ name: 'pay' })
  const trip = b.guard.saga<{ ref: string }>('trip', [
    {
      tool: book,
      input: ({ ref }) => ({ ref: `book-${ref}` }),
      undo: { tool: cancel, input: ({ ref }) => ({ ref: `cancel-${ref}` }) },
    },
    { tool: pay, input: ({ ref }) => ({ ref: `pay-${ref}` }) },
  ])
  b.downstream.plan('pay-t', 'refuse')
  b.downstream.plan('cancel-t', 'lose-request')
  await refusalOf(b.until(trip({ ref: 't' })))
  expect(b.record(book, { ref: 'book-t' })?.state).toBe('compensating')
  if (told.length > 0) {
    const { records } = await b.guard.ledger.list({ tool: 'trip', states: ['in-doubt'] })
    await b.until(b.guard.ledger.resolve(records[0]!.key, { verdict: 'abandoned', who: 'ada', note: 'n' }))
  }
  await b.time.advance(120_000)
  expect(alarms(b)).toEqual(told)
})

it('one whose parent is recorded elsewhere is told of', async () => {
  const { dying, living, tools } = two()
  const elsewhere = bench()
  const parent = elsewhere.tool({ name: 'parent', execute: () => tools[0]({ ref: 'a' }) })
  await elsewhere.until(parent({ ref: 'p' }))
  await living.until(living.guard.open())
  diesAt(dying, 'before-claim')
  void tools[0].compensate({ ref: 'a' }).catch(() => undefined)
  await settle()
  await dying.time.advance(60_000)
  expect(alarms(living)).toEqual([FORSAKEN])
})
