import { expect, it } from 'vitest'
import { bench, refusalOf, type OrderInput } from './bench.ts'

it('a saga one of whose steps the ledger has lost undoes nothing for it, and says so', async () => {
  const b = bench()
  const undone: unknown[] = []
  const reserve = b.tool({ name: 'reserve', compensate: (value: unknown) => void undone.push(value) })
  const refOf = ({ ref }: OrderInput) => ({ ref })
  const ship = b.tool({ name: 'ship' })
  const saga = b.guard.saga<OrderInput>('s', [
    { tool: reserve, input: refOf },
    { tool: ship, input: ({ ref }) => ({ ref: `ship-${ref}` }) },
  ])
  b.downstream.plan('ship-a', 'refuse')
  const { key } = b.guard.internals.name(reserve.contract, { ref: 'a' })
  b.trouble.answer = (verb, args, answer) =>
    verb === 'read' && args[0] === key && b.downstream.log.length === 2
      ? { ...(answer as object), record: undefined }
      : undefined
  expect(await refusalOf(b.until(saga({ ref: 'a' }, { waitMs: 1_000 })))).toMatchObject({ code: 'IN_DOUBT' })
  const [record] = (await b.guard.ledger.list({ tool: 's' })).records
  expect(record?.evidence.map(({ what }) => what)).toContain('OnefoldError HELD')
  expect(undone).toEqual([])
})
