import { describe, expect, it } from 'vitest'
import { unknownState, type ListPage, type OperationRecord } from '../../src/engine/index.ts'
import { bench, facts, refusalOf, settle, type Bench } from './bench.ts'
import { alarms, keyed, left } from './corners.ts'

const A = { ref: 'a' }
const TAGGED = '{"$of":"plain-date","v":"2026-11-30"}'

/** What a newer version would have stored there. */
function stored(b: Bench, key: string, change: object): void {
  Object.assign(b.recordOf(key) as OperationRecord, change)
}

/** An operation whose state this version does not know, as stores tell of it in pages. */
function unreadableIn(b: Bench, key: string): void {
  b.trouble.answer = (verb, _args, answer) => {
    if (verb !== 'due' && verb !== 'closed' && verb !== 'list') return undefined
    const page = answer as ListPage
    const records = page.records.filter((record) => record.key !== key)
    if (records.length === page.records.length) return undefined
    return { ...page, records, unreadable: [unknownState(key, 'frozen')] }
  }
}

describe('what a newer version recorded in an unknown state', () => {
  async function beside(b: Bench) {
    const tool = await b.guard.run({ id: 'r' }, () => left(b, { recovery: keyed() }))
    const { key } = b.record(tool, A)!
    unreadableIn(b, key)
    return { tool, key }
  }

  it('holds up nothing else, and is told once', async () => {
    const b = bench()
    const { tool } = await beside(b)
    b.downstream.plan('b', 'lose-request')
    b.fault = (point) => {
      if (point === 'doubted') throw new Error('crash')
    }
    await b.until(tool({ ref: 'b' }).catch(() => undefined))
    b.fault = () => undefined
    await b.until(b.guard.internals.tick())
    await settle()
    await b.until(b.guard.internals.tick())
    expect(b.record(tool, { ref: 'b' })?.state).toBe('committed')
    expect([b.downstream.effects('b'), b.downstream.effects('a')]).toEqual([1, 1])
    expect(b.record(tool, A)?.state).toBe('in-doubt')
    expect(alarms(b)).toEqual([expect.stringMatching(/leaves alone .* the state frozen, .* update onefold/)])
  })

  it('nor retention', async () => {
    const b = bench()
    const { tool } = await beside(b)
    const { key } = await b.until(tool.perform({ ref: 'c' }))
    stored(b, b.record(tool, A)!.key, { state: 'committed' })
    b.time.stepStore(2 * 86_400_000)
    for (let n = 0; n < 30; n += 1) await b.until(b.guard.internals.tick())
    expect(b.recordOf(key)?.state).toBe('expired')
    expect(b.record(tool, A)?.state).toBe('committed')
    expect(await b.until(b.guard.ledger.purge())).toEqual({ expired: 0, deleted: 0, kept: 0 })
  })

  it('is named where operations are listed, and refused where its absence would be an untruth', async () => {
    const b = bench()
    const { tool, key } = await beside(b)
    await b.until(tool({ ref: 'c' }))
    const page = await b.until(b.guard.ledger.list())
    expect(page.records).toHaveLength(1)
    expect(page.unreadable?.map(facts)).toEqual([
      expect.objectContaining({ code: 'STORE_UNSAFE', effect: 'unknown', key, ticket: key.slice(4, 16) }),
    ])
    const { ledger } = b.guard
    const works: readonly (() => Promise<unknown>)[] = [
      () => ledger.show(key.slice(4, 16)),
      async () => {
        for await (const _one of ledger.export());
      },
      () => ledger.reconcile([], { tool: 'place_order' }),
      () => b.guard.run({ id: 'r' }, (run) => run.receipt()),
    ]
    for (const work of works)
      expect(facts(await refusalOf(b.until(work())))).toMatchObject({ code: 'STORE_UNSAFE', effect: 'unknown', key })
  })
})

describe('what a newer version recorded in a form that is not known', () => {
  it('as a result: its repeat is told that it is done', async () => {
    const b = bench()
    const tool = b.tool({ compensate: () => b.downstream.log.push('undone') })
    const { key } = await b.until(tool.perform(A))
    stored(b, key, { outcome: { kind: 'value', text: TAGGED, sha256: 'x', size: 1 } })
    const other = bench({ beside: b, self: 'host/boot/2/2' }).tool({
      compensate: () => b.downstream.log.push('undone'),
    })
    expect(await b.until(other.perform(A))).toMatchObject({
      status: 'committed',
      value: undefined,
      missing: expect.stringContaining('a newer version'),
    })
    expect(facts(await refusalOf(b.until(other(A))))).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    // Its undo would be handed something else.
    expect(facts(await refusalOf(b.until(other.compensate(A) as Promise<unknown>)))).toMatchObject({
      code: 'STORE_UNSAFE',
      effect: 'unknown',
      key,
    })
    expect([b.recordOf(key)?.state, b.downstream.effects('a'), b.downstream.log]).toEqual(['committed', 1, ['a:ok']])
  })

  it('but a ledger that is away is told as that', async () => {
    const b = bench({ settings: { inlineResultBytes: 1 } })
    const tool = b.tool()
    await b.until(tool(A))
    const other = bench({ beside: b, self: 'host/boot/2/2' })
    other.trouble.request = (verb) => {
      if (verb === 'getBlob') throw new Error('away')
    }
    expect(facts(await refusalOf(b.until(other.tool()(A))))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('as its arguments: it is not sent again with others, and stays a doubt', async () => {
    const b = bench()
    const tool = await left(b, { recovery: keyed() })
    const { key } = b.record(tool, A)!
    stored(b, key, { input: `{"ref":${TAGGED}}` })
    await b.until(b.guard.internals.tick())
    await settle()
    const record = b.recordOf(key)!
    expect([record.state, record.reason, record.recoveries]).toEqual(['in-doubt', 'reset', 1])
    expect(record.evidence.at(-1)?.what).toMatch(/cannot be read by this version/)
    stored(b, key, { reason: undefined })
    b.time.stepStore(60_000)
    await b.until(b.guard.internals.tick())
    await settle()
    expect([b.recordOf(key)?.state, b.recordOf(key)?.reason]).toEqual(['in-doubt', 'recovery-failed'])
    expect([b.downstream.effects('a'), b.downstream.log]).toEqual([1, ['a:lose-answer']])
    expect(alarms(b)).toEqual([])
  })

  it('as a reason: it may be one against sending again', async () => {
    const b = bench()
    const tool = await left(b, { recovery: keyed() })
    const { key } = b.record(tool, A)!
    stored(b, key, { reason: 'embargo' })
    await b.until(b.guard.internals.tick())
    await settle()
    const error = await refusalOf(b.until(tool(A)))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(error.message).toMatch(/by the newer version of onefold that recorded it, or by a person/)
    expect(b.downstream.log).toEqual(['a:lose-answer'])
  })
})
