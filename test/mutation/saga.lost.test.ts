import { describe, expect, it } from 'vitest'
import { bench, refusalOf, unavailable, type OrderInput } from './bench.ts'

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

describe('a saga that is to be undone', () => {
  /** One whose process ended before it undid anything, `days` later. */
  async function later(days: number) {
    const b = bench()
    const toolOf = (name: string) => b.tool({ name, retention: '90d' })
    const refOf = (name: string) => (given: OrderInput) => ({ ref: `${name}-${given.ref}` })
    const undo = { tool: toolOf('cancel'), input: refOf('cancel') }
    const steps = [
      { tool: toolOf('flight'), input: refOf('flight'), undo },
      { tool: toolOf('car'), input: refOf('car') },
    ]
    const saga = b.guard.saga<OrderInput>('trip', steps, { retention: '30d' })
    b.downstream.plan('car-a', 'refuse')
    b.trouble.request = (verb, args) => {
      const { draft } = (args[0] ?? {}) as { draft?: { state?: string } }
      if (verb === 'write' && draft?.state === 'compensating') throw unavailable()
    }
    await refusalOf(b.until(saga({ ref: 'a' }, { waitMs: 1_000 })))
    b.trouble.request = () => undefined
    b.time.stepStore(days * 86_400_000)
    await b.until(b.guard.ledger.purge())
    return { b, saga }
  }

  it('stays so for as long as it is kept', async () => {
    const { b, saga } = await later(29)
    expect(await b.until(saga({ ref: 'a' }, { onDoubt: 'wait' }))).toMatchObject({ status: 'undone', failed: 'car' })
    expect(['car-a', 'cancel-a'].map((ref) => b.downstream.effects(ref))).toEqual([0, 1])
  })

  it('does not run forward when even that is over', async () => {
    const { b, saga } = await later(31)
    expect(await refusalOf(b.until(saga({ ref: 'a' }, { waitMs: 1_000 })))).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.downstream.effects('car-a')).toBe(0)
  })
})

it('a step that is named by its place in its run is refused, as its undo could not find it', () => {
  const b = bench()
  const step = (name: string, options: object = {}) => ({
    tool: b.tool({ name, ...options }),
    input: ({ ref }: OrderInput) => ({ ref }),
    undo: 'none' as const,
  })
  const counted = step('counted', { identity: 'sequence', ignore: undefined })
  expect(() => b.guard.saga('s', [counted, step('ship')])).toThrow('named by its place in its run')
  expect(() => b.guard.saga('t', [step('pay'), counted])).not.toThrow()
})
