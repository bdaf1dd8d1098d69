import { describe, expect, it } from 'vitest'
import { bench, refusalOf, type OrderInput } from './bench.ts'

const DAY = 86_400_000
const REMOTE = { guarantees: { localReads: false } } as const

describe('a repeat', () => {
  const expiredElsewhere = async (options: object) => {
    const b = bench(options)
    const other = bench({ beside: b, ...options })
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    b.time.stepStore(400 * DAY)
    expect(await other.guard.ledger.purge()).toMatchObject({ expired: 1 })
    return { b, call: () => b.until(tool.perform({ ref: 'a' })) }
  }

  it('is looked up where the ledger is on this machine', async () => {
    const { call } = await expiredElsewhere({})
    expect(await refusalOf(call())).toMatchObject({ code: 'RESULT_EXPIRED' })
  })

  it('is answered from memory for five seconds where it is on another', async () => {
    const { b, call } = await expiredElsewhere(REMOTE)
    const asked: string[] = []
    b.trouble.request = (verb) => void asked.push(verb)
    expect(await call()).toMatchObject({ status: 'committed', replayed: true, value: { id: 1, ref: 'a' } })
    expect(asked).toEqual([])
    b.time.pause(5_000)
    expect(await refusalOf(call())).toMatchObject({ code: 'RESULT_EXPIRED' })
  })

  it('is not answered from memory once this process has written to it', async () => {
    const b = bench(REMOTE)
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    b.time.stepStore(400 * DAY)
    expect(await b.guard.ledger.purge()).toMatchObject({ expired: 1 })
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'RESULT_EXPIRED' })
  })

  it('of what can be undone is looked up each time', async () => {
    const b = bench(REMOTE)
    const options = { compensate: () => undefined }
    const tool = b.tool(options)
    await b.until(tool({ ref: 'a' }))
    const other = bench({ beside: b, ...REMOTE })
    await b.until(other.tool(options).compensate({ ref: 'a' }))
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'COMPENSATED' })
  })

  it('within a composite operation is looked up each time', async () => {
    const b = bench(REMOTE)
    const child = b.tool({ name: 'child' })
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: (input: OrderInput) => child(input),
    })
    await b.until(child({ ref: 'a' }))
    const asked: unknown[] = []
    b.trouble.request = (_verb, [first]) => void asked.push((first as { key?: string }).key ?? first)
    await b.until(parent({ ref: 'a' }))
    expect(asked).toContain(b.record(child, { ref: 'a' })?.key)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('after a loss is looked up, whatever this process remembers', async () => {
    const b = bench(REMOTE)
    const tool = b.tool()
    await b.until(tool({ ref: 'a' }))
    await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
    await b.until(b.guard.internals.tick())
    const asked: string[] = []
    b.trouble.request = (verb) => void asked.push(verb)
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    expect(asked).toContain('read')
  })
})
