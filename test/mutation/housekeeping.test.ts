import { describe, expect, it } from 'vitest'
import type { OperationRecord } from '../../src/engine/index.ts'
import { bench, facts, refusalOf } from './bench.ts'

describe('retention', () => {
  it('keeps what was refused under a downstream’s key for as long as that is known there', async () => {
    const b = bench()
    const tool = b.tool({ retention: '31d', recovery: { class: 'keyed', windowMs: 31 * 86_400_000, settleMs: 0 } })
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool({ ref: 'a' })))
    b.time.stepStore(25 * 3_600_000)
    expect(await b.until(b.guard.ledger.purge())).toMatchObject({ deleted: 0 })
    await b.until(tool({ ref: 'a' }))
    expect(new Set(b.downstream.keys('a')).size).toBe(2)
  })

  it('expires outcomes and deletes what did nothing, every thirtieth round', async () => {
    const b = bench()
    const tool = b.tool({ retention: '2h', retryHorizon: '1h' })
    await b.until(tool({ ref: 'a' }))
    b.downstream.plan('b', 'refuse')
    await refusalOf(b.until(tool({ ref: 'b' })))
    const [a, refused] = ['a', 'b'].map((ref) => b.record(tool, { ref })!.key) as [string, string]
    b.time.stepStore(3_600_000 - 30_000)
    await b.time.advance(29_000)
    b.time.stepStore(10_000)
    expect(b.recordOf(refused)?.state).toBe('rejected')
    await b.time.advance(61_000)
    expect(b.recordOf(refused)).toBeUndefined()
    expect(b.recordOf(a)?.state).toBe('committed')
    b.time.stepStore(3_600_000)
    await b.time.advance(31_000)
    expect(b.recordOf(a)).toMatchObject({ state: 'expired', outcome: undefined, input: undefined })
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(facts(error)).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect(await b.until(tool({ ref: 'b' }))).toEqual({ id: 1, ref: 'b' })
  })

  it('replays a large result until then, and erases it with the record, not an equal one', async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const tool = b.tool({ retention: '2h', retryHorizon: '1h', execute: () => 'x'.repeat(20) })
    const call = (ref: string): Promise<unknown> => b.until(tool({ ref }) as Promise<unknown>)
    await call('a')
    b.time.stepStore(3_600_000)
    await call('b')
    const [a, other] = ['a', 'b'].map((ref) => b.record(tool, { ref })!) as [OperationRecord, OperationRecord]
    const bytesOf = async ({ key, tenant }: OperationRecord): Promise<number | undefined> =>
      (await b.inner.getBlob({ key, tenant }, a.outcome!.sha256))?.byteLength
    expect(other.outcome).toEqual(a.outcome)
    expect([await bytesOf(a), await bytesOf(other)]).toEqual([22, 22])
    b.time.stepStore(3_600_000 - 60_000)
    expect(await b.until(b.guard.ledger.purge())).toEqual({ expired: 0, deleted: 0, kept: 2 })
    expect(await call('a')).toBe('x'.repeat(20))
    b.time.stepStore(60_000)
    expect(await b.until(b.guard.ledger.purge())).toEqual({ expired: 1, deleted: 0, kept: 1 })
    expect([await bytesOf(a), await bytesOf(other)]).toEqual([undefined, 22])
    expect(facts(await refusalOf(call('a')))).toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect(await call('b')).toBe('x'.repeat(20))
  })

  it('goes page by page', async () => {
    const b = bench()
    await b.guard.open()
    const pages: unknown[] = []
    b.trouble.answer = (verb, args) => {
      if (verb !== 'closed') return undefined
      pages.push(args)
      return { records: [], next: pages.length === 1 ? 'next' : undefined, now: b.time.storeMs() }
    }
    await b.time.advance(90_000)
    expect(pages).toEqual([
      [500, undefined],
      [500, 'next'],
      [500, undefined],
      [500, undefined],
    ])
  })
})

describe('notes of duplicates', () => {
  it('are counted by what they got, and written once', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(tool({ ref: 'a', amount: 1 }))
    for (let i = 0; i < 3; i += 1) await b.until(tool({ ref: 'a', amount: 1 }))
    await refusalOf(b.until(tool({ ref: 'a', amount: 2 })))
    const record = b.record(tool, { ref: 'a' })!
    await b.until(b.guard.internals.tick())
    await b.until(b.guard.internals.tick())
    const history = await b.inner.history(record.key, 'default')
    expect(history.slice(2)).toEqual([
      {
        transition: 'duplicate',
        from: 'committed',
        to: 'committed',
        fence: record.fence,
        nonce: record.nonce,
        who: 'host/boot/1/1',
        why: 'replayed × 3, refused × 1',
        openSends: 0,
        at: b.time.storeMs(),
      },
    ])
  })
})
