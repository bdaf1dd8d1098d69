import { describe, expect, it } from 'vitest'
import { give, NOW, recordIn } from '../../test/explore/machine-fixture.ts'
import type { Command, Refusal } from './commands.ts'
import { decide } from './machine.ts'
import { STATES, type OperationRecord } from './record.ts'

const decided = (record: OperationRecord | undefined, command: Command) => decide('of1_test', record, command, NOW)
const refusal = (code: Refusal) => ({ ok: false, refusal: code })

describe('a key that is taken over', () => {
  it('a newer contract takes only a key under which nothing happened', () => {
    expect(decided(undefined, give('supersede'))).toMatchObject({
      transition: 'superseded',
      draft: { state: 'superseded', nonce: 'of1_newer', openSends: 0 },
      event: { transition: 'superseded', from: 'absent', to: 'superseded' },
    })
    for (const state of ['released', 'rejected'] as const) {
      expect(decided(recordIn(state), give('supersede'))).toMatchObject({
        transition: 'superseded',
        draft: { state: 'superseded', nonce: 'of1_newer', fence: 7, input: undefined, error: undefined },
      })
    }
    for (const state of STATES.filter((one) => one !== 'released' && one !== 'rejected')) {
      expect(decided(recordIn(state), give('supersede'))).toEqual(refusal('state'))
    }
  })

  it('a third name replaces only the marker that it names', () => {
    const taken = recordIn('superseded', { nonce: 'of1_other' })
    expect(decided(taken, give('supersede', { over: 'of1_other' }))).toMatchObject({
      transition: 'superseded',
      draft: { state: 'superseded', nonce: 'of1_newer' },
      event: { from: 'superseded', to: 'superseded' },
    })
    expect(decided(taken, give('supersede', { over: 'of1_third' }))).toEqual(refusal('state'))
  })

  it('gives back only what it took, and its generation stays', () => {
    const taken = recordIn('superseded', { nonce: 'of1_newer', generation: 3, attempts: 2 })
    expect(decided(taken, give('give-back'))).toMatchObject({
      transition: 'superseded',
      draft: { state: 'released', openSends: 0, generation: 3, attempts: 0 },
      event: { from: 'superseded', to: 'released' },
    })
    expect(decided(taken, give('give-back', { by: 'of1_other' }))).toEqual(refusal('fence'))
    for (const state of STATES.filter((one) => one !== 'superseded'))
      expect(decided(recordIn(state), give('give-back'))).toEqual(refusal('state'))
  })

  it('says no more than an absent one under the amnesia mark, once it is given back', () => {
    const amnesia = { at: NOW - 1_000, lossFrom: 0, why: 'told' }
    const claim = give('claim', { amnesia })
    const released = (attempts: number, nonce = 'of1_taker') =>
      recordIn('released', { attempts, nonce, updatedAt: NOW })
    expect(decided(released(0), claim)).toMatchObject({ transition: 'T0', draft: { state: 'in-doubt' } })
    expect(decided(released(1), claim)).toMatchObject({ transition: 'T18', draft: { state: 'claimed' } })
    // A claim that was withdrawn before its marker is evidence like any other record.
    expect(decided(released(0, 'mine'), claim)).toMatchObject({ transition: 'T18', draft: { state: 'claimed' } })
    expect(decided(released(0), give('claim', { amnesia, beyondAmnesia: true }))).toMatchObject({ transition: 'T18' })
    expect(decided(released(0), give('claim'))).toMatchObject({ transition: 'T18' })
  })
})
