import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import type { Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { testGuard } from '../support/guard.ts'

describe('closing a guard', () => {
  let release: () => void
  let gate: Promise<void>
  beforeEach(() => {
    gate = new Promise((resolve) => (release = resolve))
  })
  afterEach(() => release())

  it('a second close ends with the first, not before it', async () => {
    const memory = memoryStore()
    const store: Store = { ...memory, close: () => gate.then(() => memory.close()) }
    const guard = testGuard({ store })
    await guard.open()
    const ended: string[] = []
    const first = guard.close().then(() => ended.push('first'))
    const second = guard.close().then(() => ended.push('second'))
    await new Promise(setImmediate)
    expect(ended).toEqual([])
    release()
    await Promise.all([first, second])
  })

  it('a ledger that opens only after it was closed does not stay open, and nothing runs', async () => {
    const memory = memoryStore()
    let open = 0
    const store: Store = {
      ...memory,
      open: async () => {
        await gate
        await memory.open()
        open += 1
      },
      close: async () => {
        if (open > 0) open -= 1
        await memory.close()
      },
    }
    const guard = testGuard({ store })
    let ran = 0
    const order = guard.tool({
      name: 'order',
      input: z.object({ id: z.string() }),
      effect: 'write',
      identity: ['id'],
      recovery: manual(),
      execute: () => (ran += 1),
    })
    const call = order({ id: '1' }).catch((error: unknown) => error)
    const closing = guard.close()
    release()
    await closing
    expect(await call).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await order({ id: '1' }).catch((error: unknown) => error)).toMatchObject({ effect: 'none' })
    expect({ open, ran }).toEqual({ open: 0, ran: 0 })
  })

  it('a guard leaves the ledger open for the others on the same store', async () => {
    const store = memoryStore()
    const [acme, other] = [testGuard({ store, tenant: 'acme' }), testGuard({ store, tenant: 'other' })]
    const order = other.tool({
      name: 'order',
      input: z.object({ id: z.string() }),
      effect: 'write',
      identity: ['id'],
      recovery: manual(),
      execute: () => gate.then(() => 'done'),
    })
    await acme.open()
    const call = order.perform({ id: '1' })
    await other.open()
    await acme.close()
    release()
    expect(await call).toMatchObject({ value: 'done', recorded: true })
    await other.close()
    await expect(async () => store.read('of1_', 'other')).rejects.toThrow('not open')
  })
})
