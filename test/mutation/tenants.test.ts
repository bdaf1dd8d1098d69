import { expect, it } from 'vitest'
import { bench, settle, unavailable, type Bench, type OrderInput } from './bench.ts'

/** Two guards of two tenants on one ledger; the first dies after its part was done, and the second recovers. */
async function recoveredElsewhere(
  recovery: object,
  inside: (b: Bench, call: () => Promise<unknown>) => Promise<unknown> = (_b, call) => call(),
) {
  const a = bench({ tenant: 'a' })
  const b = bench({ beside: a, tenant: 'b', self: 'host/boot/2/2' })
  const parts = (on: Bench) => {
    const inner = on.tool({ name: 'inner' })
    const outer = on.tool({
      name: 'outer',
      recovery,
      execute: async () => ({ done: await inside(on, () => inner({ ref: 'inner' })) }),
    })
    return { inner, outer }
  }
  const { outer } = parts(a)
  parts(b)
  await b.until(b.guard.open())
  const { key } = a.guard.internals.name(outer.contract, { ref: 'outer' } satisfies OrderInput)
  a.fault = (point, at) => (point === 'answered' && at === key ? new Promise(() => undefined) : undefined)
  void outer({ ref: 'outer' }).catch(() => undefined)
  await settle()
  expect(a.downstream.effects('inner')).toBe(1)
  a.trouble.request = () => {
    throw unavailable()
  }
  for (let second = 0; second < 40; second += 1) await b.time.advance(1_000)
  return { a, b, state: a.recordOf(key, 'a')?.state }
}

it.each([
  ['idempotent', { class: 'idempotent', precondition: () => true }],
  ['composite', { class: 'composite' }],
])('the parts of %s work are its tenant’s, whichever guard recovers it', async (_name, recovery) => {
  const { a, b, state } = await recoveredElsewhere(recovery)
  expect(state).toBe('committed')
  expect(a.downstream.effects('inner')).toBe(1)
  expect((await b.guard.ledger.list({ tenant: 'b' })).records).toEqual([])
})

it('also within a run that names no tenant', async () => {
  const { a, state } = await recoveredElsewhere({ class: 'idempotent', precondition: () => true }, (on, call) =>
    on.guard.run({ id: 'r' }, call),
  )
  expect(state).toBe('committed')
  expect(a.downstream.effects('inner')).toBe(1)
})

it('what a tool calls of another guard is that guard’s tenant’s', async () => {
  const a = bench({ tenant: 'a' })
  const b = bench({ beside: a, tenant: 'b', self: 'host/boot/2/2' })
  const inner = b.tool({ name: 'inner' })
  const back = a.tool({ name: 'back' })
  const between = b.tool({ name: 'between', execute: () => back({ ref: 'back' }) })
  await b.until(b.guard.open())
  const outer = a.tool({
    name: 'outer',
    execute: async () => [await inner({ ref: 'inner' }), await between({ ref: 'between' })],
  })
  await a.until(outer({ ref: 'outer' }))
  const tools = async (tenant: string) => (await a.guard.ledger.list({ tenant })).records.map(({ tool }) => tool).sort()
  expect(await tools('a')).toEqual(['back', 'outer'])
  expect(await tools('b')).toEqual(['between', 'inner'])
})

it('a part of composite work that is another tenant’s is adopted all the same', async () => {
  const b = bench()
  const inner = b.tool({ name: 'inner' })
  const outer = b.tool({
    name: 'outer',
    recovery: { class: 'composite' },
    execute: () => b.guard.run({ tenant: 'other' }, () => inner({ ref: 'inner' })),
  })
  await b.until(outer({ ref: 'outer' }))
  expect(b.downstream.effects('inner')).toBe(1)
})
