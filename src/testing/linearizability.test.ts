import { describe, expect, it } from 'vitest'
import { linearization, type Call, type Model } from './linearizability.ts'

type Input = { readonly read: true } | { readonly from: string; readonly to: string }
type Output = { readonly applied?: boolean; readonly seen: string }

/** A register with compare-and-set: what a store is, for one key. */
const register: Model<string, Input, Output> = {
  initial: '',
  name: (state) => state,
  step(state, input, output) {
    if ('read' in input) return output === undefined || output.seen === state ? state : undefined
    if (output === undefined) return state === input.from ? input.to : state
    if (output.applied === true) return state === input.from ? input.to : undefined
    return state !== input.from && output.seen === state ? state : undefined
  },
}

const read = (seen: string, called: number, returned: number): Call<Input, Output> => ({
  input: { read: true },
  output: { seen },
  called,
  returned,
})
const set = (from: string, to: string, called: number, returned: number): Call<Input, Output> => ({
  input: { from, to },
  output: { applied: true, seen: to },
  called,
  returned,
})
const conflict = (from: string, to: string, seen: string, called: number, returned: number): Call<Input, Output> => ({
  input: { from, to },
  output: { applied: false, seen },
  called,
  returned,
})
const unknown = (from: string, to: string, called: number): Call<Input, Output> => ({
  input: { from, to },
  output: undefined,
  called,
  returned: Infinity,
})

const order = (...history: Call<Input, Output>[]): readonly number[] | undefined => linearization(register, history)

describe('linearization accepts', () => {
  it('an empty history', () => {
    expect(order()).toEqual([])
  })

  it('calls one after the other', () => {
    expect(order(set('', 'a', 1, 2), read('a', 3, 4), set('a', 'b', 5, 6), read('b', 7, 8))).toEqual([0, 1, 2, 3])
  })

  it('overlapping calls in the order that explains them', () => {
    expect(order(set('a', 'b', 1, 10), set('', 'a', 2, 9), read('b', 3, 8))).toEqual([1, 0, 2])
  })

  it('one winner and a loser who saw it', () => {
    expect(order(set('', 'a', 1, 5), conflict('', 'b', 'a', 2, 4))).toEqual([0, 1])
  })

  it('an unknown write that somebody saw later', () => {
    expect(order(unknown('', 'a', 1), read('', 2, 3), read('a', 4, 5))).toEqual([1, 0, 2])
  })

  it('an unknown write that never took effect', () => {
    expect(order(unknown('', 'a', 1), read('', 2, 3), set('', 'b', 4, 5), read('b', 6, 7))).toContain(3)
  })

  it('an unknown write that took effect long after its call', () => {
    expect(order(set('', 'a', 1, 2), unknown('a', 'c', 3), read('a', 10, 11), read('c', 20, 21))).toEqual([0, 2, 1, 3])
  })

  it('a history of many overlapping calls', () => {
    const writers = Array.from({ length: 30 }, (_, n) =>
      n === 17 ? set('', 'w17', 1, 100) : conflict('', `w${n}`, 'w17', 2, 99),
    )
    expect(order(...writers)?.[0]).toBe(17)
  })
})

describe('linearization rejects', () => {
  it('two winners of one compare-and-set', () => {
    expect(order(set('', 'a', 1, 5), set('', 'b', 2, 4))).toBeUndefined()
  })

  it('a read of what is already overwritten', () => {
    expect(order(set('', 'a', 1, 2), set('a', 'b', 3, 4), read('a', 5, 6))).toBeUndefined()
  })

  it('two readers who see the writes in different orders', () => {
    expect(order(set('', 'a', 1, 10), read('a', 2, 3), read('', 4, 5))).toBeUndefined()
  })

  it('a lost write', () => {
    expect(order(set('', 'a', 1, 2), read('', 3, 4))).toBeUndefined()
  })

  it('a conflict that nobody caused', () => {
    expect(order(conflict('', 'a', '', 1, 2))).toBeUndefined()
  })

  it('a conflict that shows a write from the future', () => {
    expect(order(conflict('', 'a', 'b', 1, 2), set('', 'b', 3, 4))).toBeUndefined()
  })

  it('an unknown write seen before it was asked for', () => {
    expect(order(read('a', 1, 2), unknown('', 'a', 3))).toBeUndefined()
  })

  it('an unknown write that took effect twice', () => {
    expect(order(unknown('', 'a', 1), read('a', 2, 3), set('a', '', 4, 5), read('a', 6, 7))).toBeUndefined()
  })

  it('an unknown write that came and went', () => {
    expect(order(unknown('', 'a', 1), read('a', 2, 3), read('', 4, 5))).toBeUndefined()
  })

  it('a stale read among many that are right', () => {
    const writes = Array.from({ length: 20 }, (_, n) => set(n === 0 ? '' : `v${n - 1}`, `v${n}`, n * 10, n * 10 + 5))
    expect(order(...writes, read('v10', 118, 119))).toBeUndefined()
    expect(order(...writes, read('v11', 118, 119))).toBeDefined()
  })
})
