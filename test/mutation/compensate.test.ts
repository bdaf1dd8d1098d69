import { describe, expect, it } from 'vitest'
import { bench, coded, facts, refusalOf, unavailable } from './bench.ts'
import { unsafe } from './corners.ts'

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

describe('an undo', () => {
  it('is given no value where the answer could not be kept', async () => {
    const b = bench()
    const undone: unknown[] = []
    const tool = b.tool({
      execute: () => ({ large: 'x'.repeat(70_000) }),
      compensate: (value: unknown) => void undone.push(value),
    })
    b.trouble.request = (verb) => {
      if (verb === 'putBlob') throw unavailable()
    }
    await b.until(tool.perform({ ref: 'a' }))
    await b.until(tool.compensate({ ref: 'a' }))
    expect(undone).toEqual([undefined])
  })

  it('is waited for as long as it takes where the caller wants to', async () => {
    const b = bench()
    let release = (): void => undefined
    const tool = b.tool({
      timeout: '10m',
      compensate: () => new Promise<void>((resolve) => (release = resolve)),
    })
    await b.until(tool({ ref: 'a' }))
    const patient = tool.compensate({ ref: 'a' }, { onDoubt: 'wait' })
    const hasty = refusalOf(tool.compensate({ ref: 'a' }))
    await b.time.advance(31_000)
    expect(await hasty).toMatchObject({ code: 'IN_PROGRESS' })
    release()
    await b.until(patient)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('compensated')
  })
})

describe('an undo of a tool whose schema takes its time', () => {
  it('is that of the input when it was called', async () => {
    const b = bench()
    const undone: unknown[] = []
    const input = { '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) } }
    const tool = b.tool({ input, compensate: (value: unknown) => void undone.push(value) })
    await b.until(tool({ ref: 'a' }))
    await b.until(tool.compensate({ ref: 'a' }))
    expect(undone).toEqual([{ id: 1, ref: 'a' }])
  })
})

describe('an undo that is done while its ledger is found damaged', () => {
  it('tells that, and is not told as undone', async () => {
    const b = bench()
    let undone = 0
    const tool = b.tool({ compensate: () => void (undone += 1) })
    await b.until(tool({ ref: 'a' }))
    const { key } = b.record(tool, { ref: 'a' })!
    b.trouble.request = (verb, [of]) => {
      if (verb === 'read' && of === key && undone > 0) throw unsafe()
    }
    expect(await refusalOf(b.until(tool.compensate({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect([undone, b.recordOf(key)?.state]).toEqual([1, 'compensating'])
  })
})
