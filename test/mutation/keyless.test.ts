import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { operationOf } from '../../src/engine/index.ts'
import { bench, coded, refusalOf, type Bench, type OrderInput } from './bench.ts'
import { alarms, keyed } from './corners.ts'

const input = { ref: 'a' }
const told = { onDoubt: 'return', waitMs: 1_000 } as const

/** Sends by a client of its own, with a key of its own at each attempt, and asks for nothing before but by `ask`. */
function plain(b: Bench, ask: (context: ToolContext) => unknown = () => undefined) {
  let sends = 0
  return (given: OrderInput, context: ToolContext) => {
    ask(context)
    sends += 1
    return b.downstream.send(given, { checkpoint: () => undefined, downstreamKey: () => `own-${sends}` })
  }
}

describe('a keyed tool that asked for no key', () => {
  it('is left for a person, also where it is known', async () => {
    const b = bench()
    const tool = b.tool({ recovery: keyed(), execute: plain(b) })
    for (const ref of ['a', 'b']) {
      b.downstream.plan(ref, 'lose-answer')
      const { record } = await b.until(tool.perform({ ref }, told))
      expect(record).toMatchObject({ state: 'in-doubt', reason: 'no-key', recoveries: 0 })
      await b.time.advance(600_000)
      await b.until(b.guard.internals.tick())
      expect(b.downstream.effects(ref)).toBe(1)
    }
    const error = await refusalOf(b.until(tool(input, { waitMs: 1_000 })))
    expect(error.message).toContain('by asking the downstream where the tool has a probe, else by a person')
  })

  it('is asked after where it can be, and stays a doubt where the answer is unknown', async () => {
    const b = bench()
    let known: object = { found: 'unknown' }
    const tool = b.tool({ recovery: keyed({ probe: () => known }), execute: plain(b) })
    b.downstream.plan('a', 'lose-answer')
    expect((await b.until(tool.perform(input, told))).record).toMatchObject({ state: 'in-doubt', reason: 'no-key' })
    known = b.downstream.find('a')
    expect(await b.until(tool({ ref: 'a' }, { waitMs: 600_000 }))).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('is an alarm at its first success, one for each tool', async () => {
    const b = bench()
    const one = b.tool({ name: 'one', recovery: keyed(), execute: plain(b) })
    const other = b.tool({ name: 'other', recovery: keyed(), execute: plain(b) })
    for (const [tool, ref] of [[one, 'a'], [one, 'b'], [other, 'c']] as const) await b.until(tool({ ref })) // prettier-ignore
    expect(alarms(b)).toEqual([1, 2].map(() => expect.stringContaining('sent nothing under its key') as string))
  })

  it('is told to have failed before its send once it asks, and sent again then', async () => {
    const b = bench()
    let reachable = false
    const tool = b.tool({
      recovery: keyed(),
      execute(given: OrderInput, context: ToolContext) {
        if (!reachable) throw coded('ECONNREFUSED')
        return b.downstream.send(given, context)
      },
    })
    const { record } = await b.until(tool.perform(input, told))
    expect(record).toMatchObject({ state: 'in-doubt', reason: 'no-key' })
    reachable = true
    await b.time.advance(600_000)
    await b.until(b.guard.internals.tick())
    expect([b.recordOf(record?.key ?? '')?.state, b.downstream.effects('a')]).toEqual(['in-doubt', 0])
    await b.until(tool({ ref: 'b' }))
    await b.until(b.guard.internals.tick())
    await b.time.advance(600_000)
    expect([b.recordOf(record?.key ?? '')?.state, b.downstream.effects('a')]).toEqual(['committed', 1])
  })

  it('and whose deadline passes may still come to it', async () => {
    const b = bench()
    let first = true
    const tool = b.tool({
      recovery: keyed(),
      timeout: '5s',
      async execute(given: OrderInput, context: ToolContext) {
        if (first) {
          first = false
          await new Promise(() => undefined)
        }
        return await b.downstream.send(given, context)
      },
    })
    expect(await b.until(tool(input, { waitMs: 600_000 }))).toEqual({ id: 1, ref: 'a' })
  })
})

describe('a keyed tool is sent again that', () => {
  it.each<readonly [name: string, ask: (context: ToolContext) => unknown, options: object]>([
    ['asked for its key', ({ key }) => key, {}],
    ['asked for a key', (context) => context.downstreamKey(), {}],
    ['asked for leave to send', (context) => context.checkpoint(), {}],
    ['sends through what checks', () => undefined, { sends: 'checked' }],
    ['takes its caller’s key', () => undefined, { callerKey: 'trusted' }],
  ])('%s', async (_name, ask, options) => {
    const b = bench()
    const tool = b.tool({ recovery: keyed(), execute: plain(b, ask), ...options })
    b.downstream.plan('a', 'lose-answer')
    await b.until(tool(input, { waitMs: 600_000 }))
    expect(b.downstream.keys('a')).toEqual(['own-1', 'own-2'])
    expect(alarms(b)).toEqual([])
  })

  it('has parts that ask by themselves', async () => {
    const b = bench()
    const part = b.tool({ name: 'part', recovery: keyed() })
    const whole = b.tool({ name: 'whole', recovery: keyed(), execute: (given: OrderInput) => part(given) })
    await b.until(whole(input))
    expect(alarms(b)).toEqual([])
  })
})

it('what our own books are kept by is no sign that the tool sends', async () => {
  const b = bench()
  const seen: string[] = []
  const tool = b.tool({ recovery: keyed(), execute: plain(b, (context) => seen.push(operationOf(context))) })
  await b.until(tool(input))
  expect(seen).toEqual([b.record(tool, input)?.key])
  expect(alarms(b)).toHaveLength(1)
  expect(operationOf({ key: 'of another’s making' } as ToolContext)).toBe('of another’s making')
})
