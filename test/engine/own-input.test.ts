import { afterEach, describe, expect, it } from 'vitest'
import { manual, type StandardSchemaV1 } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { testGuard } from '../support/guard.ts'

interface Order {
  id: string
  note: string
  lines: { sku: string }[]
}

/** As arktype and checks of one's own are: what they were given is what they give. */
const sameObject: StandardSchemaV1<Order, Order> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Order }) },
}

const ORDER = {
  name: 'order',
  input: sameObject,
  effect: 'write',
  identity: ['id'],
  recovery: manual(),
} as const

let guard: Guard
afterEach(() => guard.close())

describe('an input that its caller changes after the call', () => {
  it.each(['at the first call', 'on an open ledger'])('is done as it was when it was called: %s', async (when) => {
    guard = testGuard()
    if (when === 'on an open ledger') await guard.open()
    const done: string[] = []
    const order = guard.tool({
      ...ORDER,
      execute: ({ id, lines }) => {
        done.push(`${id}: ${lines.map(({ sku }) => sku).join()}`)
        return id
      },
    })
    const reused: Order = { id: '', note: '', lines: [{ sku: '' }] }
    const calls: Promise<string>[] = []
    for (const id of ['a', 'b', 'c']) {
      reused.id = id
      for (const line of reused.lines) line.sku = `sku of ${id}`
      calls.push(order(reused))
    }
    expect(await Promise.all(calls)).toEqual(['a', 'b', 'c'])
    expect(done).toEqual(['a: sku of a', 'b: sku of b', 'c: sku of c'])
  })

  it('is undone as it was when its undo was called', async () => {
    guard = testGuard()
    const undone: string[] = []
    const order = guard.tool({
      ...ORDER,
      execute: ({ id }) => id,
      compensate: async (id) => undone.push(id),
    })
    const reused: Order = { id: '', note: '', lines: [] }
    for (const id of ['a', 'b', 'c']) await order({ ...reused, id })
    const undos: Promise<void>[] = []
    for (const id of ['a', 'b', 'c']) {
      reused.id = id
      undos.push(order.compensate(reused))
    }
    await Promise.all(undos)
    expect(undone.toSorted()).toEqual(['a', 'b', 'c'])
  })
})
