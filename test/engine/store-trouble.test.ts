import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyed, manual } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import type { Store, Write } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { fileSpool } from '../../src/store/spool/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'

let downstream: Downstream
const folder = temporaryFolder()
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(async () => {
  await downstream.close()
  folder.remove()
})

const gone = (): OnefoldError => new OnefoldError('STORE_UNAVAILABLE', 'The store is gone.', { retryable: true })

type Rule = (write: Write) => 'no' | 'before' | 'after' | 'hang'

/** A memory store whose writes can be made to fail, lose their acknowledgement, or hang, and whose reads can be cut off. */
function troubled(): { readonly store: Store; set(rule: Rule): void; cutOff(yes: boolean): void } {
  const inner = memoryStore()
  let rule: Rule = () => 'no'
  let unreadable = false
  const store: Store = {
    ...inner,
    read: (key, tenant) => (unreadable ? Promise.reject(gone()) : inner.read(key, tenant)),
    write: async (write) => {
      const how = rule(write)
      if (how === 'before') throw gone()
      if (how === 'hang') return await new Promise(() => {})
      const answer = await inner.write(write)
      if (how === 'after') throw gone()
      return answer
    },
  }
  return {
    store,
    set: (next) => {
      rule = next
    },
    cutOff: (yes) => {
      unreadable = yes
    },
  }
}

const leads = (to: string) => (write: Write) => write.draft?.state === to

describe('a store in trouble', () => {
  it('down before the claim: no effect started, and the error says so', async () => {
    const trouble = troubled()
    const guard = testGuard({ store: trouble.store })
    const order = orderTool(guard, downstream, { recovery: manual() })
    trouble.set(() => 'before')
    await expect(order({ ref: 'down' })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
      retryable: true,
      message: expect.stringContaining('No effect of place_order started'),
    })
    expect(await downstream.effects('down')).toBe(0)
    trouble.set(() => 'no')
    await order({ ref: 'down' })
    expect(await downstream.effects('down')).toBe(1)
    await guard.close()
  })

  it('a store that hangs is given up after its deadline', async () => {
    const trouble = troubled()
    const guard = testGuard({ store: trouble.store, settings: { storeDeadlineMs: 20 } })
    const order = orderTool(guard, downstream, { recovery: manual() })
    trouble.set(() => 'hang')
    await expect(order({ ref: 'hang' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(await downstream.effects('hang')).toBe(0)
    trouble.set(() => 'no')
    await guard.close()
  })

  it('lost acknowledgements of every kind of write: one effect, one answer', async () => {
    const trouble = troubled()
    const guard = testGuard({ store: trouble.store })
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    const lost = new Set<string>()
    trouble.set((write) => {
      const to = write.draft?.state ?? 'deleted'
      if (lost.has(to)) return 'no'
      lost.add(to)
      return 'after'
    })
    await downstream.plan('ack', 'lose-answer')
    await order({ ref: 'ack' })
    expect(await order({ ref: 'ack' })).toMatchObject({ ref: 'ack' })
    expect([...lost].toSorted()).toEqual(['committed', 'executing', 'in-doubt', 'recovering'])
    expect(await downstream.effects('ack')).toBe(1)
    await guard.close()
  })

  it('unwritable after the effect: the caller gets the real answer, the spool keeps it, the ledger gets it later', async () => {
    const trouble = troubled()
    const spooled: string[] = []
    const guard = testGuard({ store: trouble.store, spool: fileSpool(`${folder.path}/spool`) })
    guard.on('spooled', ({ key }) => spooled.push(key))
    const order = orderTool(guard, downstream, { recovery: manual() })
    trouble.set((write) => (leads('committed')(write) ? 'before' : 'no'))
    const outcome = await order.perform({ ref: 'spool' })
    expect(outcome).toMatchObject({ status: 'committed', recorded: false, replayed: false })
    expect(spooled).toEqual([outcome.key])
    trouble.set(() => 'no')
    await guard.internals.tick()
    expect(await order.perform({ ref: 'spool' })).toMatchObject({
      status: 'committed',
      replayed: true,
      value: outcome.value,
    })
    expect(await downstream.effects('spool')).toBe(1)
    await guard.close()
  })

  it('unwritable when a doubt must be told: the caller hears the doubt, never "no effect"', async () => {
    const trouble = troubled()
    const guard = testGuard({ store: trouble.store })
    const order = orderTool(guard, downstream, { recovery: manual() })
    trouble.set((write) => (leads('in-doubt')(write) ? 'before' : 'no'))
    await downstream.plan('doubt', 'lose-answer')
    await expect(order({ ref: 'doubt' })).rejects.toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    trouble.set(() => 'no')
    await expect(order({ ref: 'doubt' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(await downstream.effects('doubt')).toBe(1)
    await guard.close()
  })

  it('a store that has forgotten acknowledged records: absent is a listed doubt, except for what began after the loss', async () => {
    let inner = memoryStore()
    const forgetful: Store = new Proxy({} as Store, {
      get: (_target, name) => {
        const value = inner[name as keyof Store]
        return typeof value === 'function' ? (value as () => unknown).bind(inner) : value
      },
    })
    const guard = testGuard({ store: forgetful })
    const alarms: string[] = []
    guard.on('alarm', ({ message }) => alarms.push(message))
    const order = orderTool(guard, downstream, { recovery: manual() })
    for (let n = 0; n < 3; n += 1) await order({ ref: `forgotten-${n}` })
    inner = memoryStore()
    await inner.open()
    await expect(order({ ref: 'forgotten-0' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await expect(order({ ref: 'forgotten-1' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(alarms.some((message) => message.startsWith('amnesia'))).toBe(true)
    expect((await guard.ledger.list({ states: ['in-doubt'] })).records.map((record) => record.reason)).toEqual([
      'amnesia',
      'amnesia',
    ])
    // What is named within a run that began under the mark cannot have been recorded before the loss.
    const own = orderTool(guard, downstream, { name: 'run_order', recovery: manual(), scope: 'run' })
    await guard.run({}, () => own({ ref: 'forgotten-new' }))
    const counts = ['forgotten-0', 'forgotten-1', 'forgotten-new'].map((ref) => downstream.effects(ref))
    expect(await Promise.all(counts)).toEqual([1, 1, 1])
    await guard.close()
  })

  it('a claim whose acknowledgement never came is taken back, not recovered into an effect', async () => {
    const trouble = troubled()
    const guard = testGuard({ store: trouble.store })
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    trouble.set(() => {
      trouble.cutOff(true)
      trouble.set(() => 'before')
      return 'after'
    })
    await expect(order({ ref: 'unacknowledged' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    trouble.cutOff(false)
    trouble.set(() => 'no')
    const { key } = guard.internals.name(order.contract, { ref: 'unacknowledged' })
    await expect
      .poll(async () => (await guard.ledger.show(key)).record.state, { interval: 5, timeout: 20_000 })
      .toBe('released')
    await guard.internals.tick()
    expect(await downstream.effects('unacknowledged')).toBe(0)
    await order({ ref: 'unacknowledged' })
    expect(await downstream.effects('unacknowledged')).toBe(1)
    await guard.close()
  })

  it('refuses a store that forgets on exit, and transactional tools on a store without transactions', () => {
    expect(() => testGuard({ allowVolatile: false })).toThrow(expect.objectContaining({ code: 'STORE_UNSAFE' }))
    const guard = testGuard()
    expect(() => orderTool(guard, downstream, { recovery: { class: 'transactional' } })).toThrow(
      expect.objectContaining({ code: 'STORE_UNSAFE' }),
    )
  })
})
