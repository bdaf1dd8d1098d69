import { expect, it } from 'vitest'
import { contractOf } from '../../test/mutation/bench.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { newRun } from './run.ts'
import { indexOfCall, toldOutcome } from './sequence.ts'

const contract = contractOf({ identity: 'sequence' })
const start = () => newRun({ id: 'r', tenant: 't', session: undefined, unanchored: false, mintedUnder: 0 })

it('calls are counted from 1, each tool for itself', () => {
  const run = start()
  const other = contractOf({ identity: 'sequence', name: 'other' })
  expect([contract, contract, other, contract].map((it) => indexOfCall(run, undefined, it, undefined).index)).toEqual([
    1, 2, 1, 3,
  ])
})

it('a known call keeps its index and takes nobody else’s', () => {
  const run = start()
  expect(indexOfCall(run, undefined, contract, 'a').index).toBe(1)
  const b = indexOfCall(run, undefined, contract, 'b')
  expect(b.index).toBe(2)
  b.told(false)
  expect(indexOfCall(run, undefined, contract, 'a').index).toBe(1)
  // The retry of b under a new call id.
  expect(indexOfCall(run, undefined, contract, 'c').index).toBe(2)
  expect(indexOfCall(run, undefined, contract, 'c').index).toBe(2)
  expect(indexOfCall(run, undefined, contract, 'd').index).toBe(3)
})

it('an undelivered call is repeated by the next, until it is delivered', () => {
  const run = start()
  const first = indexOfCall(run, undefined, contract, undefined)
  first.told(false)
  const again = indexOfCall(run, undefined, contract, undefined)
  expect(again.index).toBe(1)
  again.told(true)
  expect(indexOfCall(run, undefined, contract, undefined).index).toBe(2)
})

it('a delivery settles its own index only', () => {
  const run = start()
  const first = indexOfCall(run, undefined, contract, undefined)
  const second = indexOfCall(run, undefined, contract, undefined)
  first.told(false)
  second.told(true)
  expect(indexOfCall(run, undefined, contract, undefined).index).toBe(1)
  const third = indexOfCall(run, undefined, contract, undefined)
  third.told(false)
  third.told(true)
  expect(indexOfCall(run, undefined, contract, undefined).index).toBe(4)
})

it('a repeat that goes wrong of a call that was delivered makes no other call its retry', () => {
  const run = start()
  indexOfCall(run, undefined, contract, 'a').told(true)
  indexOfCall(run, undefined, contract, 'a').told(false)
  expect(indexOfCall(run, undefined, contract, 'b').index).toBe(2)
})

it('outside a run nothing is counted', () => {
  expect(thrownBy(() => indexOfCall(undefined, undefined, contract, undefined))).toMatchObject({
    code: 'CONTRACT_INVALID',
  })
})

it('a doubt is no answer to go on with, nor is a question', () => {
  const told = ['committed', 'accepted', 'in-doubt', 'awaiting-input'].map((status) => toldOutcome({ status }))
  expect(told).toEqual([true, true, false, false])
})
