import { describe, expect, it } from 'vitest'
import { AnsweredError, type UndeclaredPolicy } from '../../src/engine/index.ts'
import { createUndeclared } from '../../src/engine/undeclared.ts'
import { bench, contractOf, refusalOf, type Bench } from './bench.ts'

const RUN: UndeclaredPolicy = { afterDelivery: 'run', afterError: 'hold' }

const calling = (b: Bench, execute: () => unknown) => {
  const contract = contractOf({ name: 'undeclared', identity: 'all', execute })
  return (policy: Partial<UndeclaredPolicy> = {}, options: object = {}) =>
    b.until(b.guard.internals.undeclared.perform(contract, { ref: 'a' }, { ...RUN, ...policy }, options))
}

describe('an identical call of an undeclared tool', () => {
  it('is counted for each tenant alone', async () => {
    const b = bench()
    let runs = 0
    const call = calling(b, () => (runs += 1))
    for (const wanted of [1, 2, 3]) {
      const { key, record } = await call()
      expect(record?.occurrence).toBe(wanted)
      await b.guard.internals.undeclared.deliver(key, 'default', 'proxy')
    }
    const run = b.guard.internals.runOf({ id: 'r', tenant: 'other' })
    const elsewhere = await call({}, { run })
    expect(elsewhere).toMatchObject({ replayed: false, record: { tenant: 'other', occurrence: 1 } })
    expect(runs).toBe(4)
  })

  it('does not run after an error that a person closed without knowing, whatever runs after errors', async () => {
    const b = bench()
    let runs = 0
    const call = calling(b, () => {
      runs += 1
      throw new AnsweredError('it said no', { isError: true })
    })
    const { key } = await refusalOf(call())
    await b.guard.ledger.resolve(key ?? '', { verdict: 'abandoned', who: 'me', note: 'n' })
    const error = await refusalOf(call({ afterError: 'run' }))
    expect(error).toMatchObject({ code: 'IN_DOUBT', key })
    expect(runs).toBe(1)
  })
})

describe('the newest occurrence of a call', () => {
  /** Calls of which the first occurrence is past already; counts looks at the ledger. */
  function counting() {
    let reads = 0
    const performer = {
      name: (_contract: unknown, call: string, { occurrence = 1 }: { occurrence?: number }) => ({
        key: `${call}/${occurrence}`,
        tenant: 't',
        descriptor: {},
      }),
      perform: async () => ({}),
    }
    const read = (key: string): unknown => {
      reads += 1
      return { record: key.endsWith('/1') ? { state: 'expired' } : undefined, now: 0 }
    }
    const core = { journal: { read }, emitter: { emit: () => undefined } }
    const undeclared = createUndeclared(core as never, performer as never)
    return async (call: string): Promise<number> => {
      reads = 0
      await undeclared.perform({} as never, call, RUN)
      return reads
    }
  }
  const WALK = 2
  const KNOWN = 1

  it('is known after the first walk up to it', async () => {
    const call = counting()
    expect(await call('a')).toBe(WALK)
    expect(await call('a')).toBe(KNOWN)
    expect(await call('b')).toBe(WALK)
  })

  it('is known of ten thousand calls, of which the one not called for longest goes first', async () => {
    const call = counting()
    for (let n = 0; n < 10_000; n += 1) await call(`r${n}`)
    expect(await call('r0')).toBe(KNOWN)
    expect(await call('one too many')).toBe(WALK)
    expect(await call('r0')).toBe(KNOWN)
    expect(await call('r2')).toBe(KNOWN)
    expect(await call('r1')).toBe(WALK)
  })
})
