import { expect, it } from 'vitest'
import type { Receipt } from '../../src/engine/index.ts'
import { bench, refusalOf, settle } from './bench.ts'

const input = { ref: 'a' }
const parts = ({ committed, inDoubt, cancelled, running }: Receipt) =>
  [committed, inDoubt, cancelled, running].map((entries) => entries.map(({ state }) => state))

it('a call that is about to claim runs: that nothing is recorded is no proof that nothing happens', async () => {
  const b = bench()
  const tool = b.tool()
  await b.until(b.guard.open())
  await b.guard.run({ id: 'r' }, async (run) => {
    let go = (): void => {}
    b.fault = (point) => (point === 'before-claim' ? new Promise<void>((resolve) => (go = resolve)) : undefined)
    const call = tool(input)
    await settle()
    expect(parts(await b.until(run.receipt()))).toEqual([[], [], [], ['absent']])
    go()
    await b.until(call)
    expect(parts(await b.until(run.receipt()))).toEqual([['committed'], [], [], []])
  })
  expect(b.downstream.effects('a')).toBe(1)
})

it('a call that was refused before its claim is cancelled, also while others run', async () => {
  const b = bench()
  const near = b.tool({ name: 'near', near: { fields: ['amount'], within: '10m', then: 'hold' } })
  await b.until(b.guard.open())
  await b.until(near({ ref: 'first', amount: 1 }))
  await b.guard.run({ id: 'r' }, async (run) => {
    b.downstream.plan('a', 'hold')
    const call = b.tool()(input)
    await refusalOf(b.until(near({ ref: 'second', amount: 1 })))
    expect(parts(await b.until(run.receipt()))).toEqual([[], [], ['absent'], ['executing']])
    b.downstream.release('a')
    await b.until(call)
  })
})

it('what the ledger has lost is in doubt: it may have happened', async () => {
  const b = bench()
  const tool = b.tool()
  await b.until(b.guard.open())
  await b.guard.run({ id: 'r' }, async (run) => {
    const { key } = await b.until(tool.perform(input))
    // A fail-over to a copy that never had the record.
    b.trouble.answer = (verb, args, answer) => {
      if (verb === 'read' && args[0] === key) return { ...(answer as object), record: undefined }
      if (verb === 'list') return { ...(answer as object), records: [] }
      return verb === 'epoch' ? { ...(answer as object), sequence: 0 } : undefined
    }
    expect(parts(await b.until(run.receipt()))).toEqual([[], ['absent'], [], []])
  })
  expect(b.downstream.effects('a')).toBe(1)
})

it('no tool is called as what receipts leave out', async () => {
  const b = bench()
  for (const name of ['exclusive', 'near:pay', 'onefold.pay'])
    expect(() => b.tool({ name })).toThrow(expect.objectContaining({ code: 'CONTRACT_INVALID' }))
  for (const name of ['exclusively', 'nearby:pay', 'onefold']) await b.until(b.tool({ name })(input))
})
