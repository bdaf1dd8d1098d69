import { describe, expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { contractOf } from '../../test/mutation/bench.ts'
import type { Core } from './core.ts'
import { backoffMs, recoversByItself } from './recover.ts'
import { DEFAULTS } from './settings.ts'

const DAY = 86_400_000
const probe = (): unknown => ({ found: 'unknown' })
const RECOVERIES = {
  keyed: { class: 'keyed', windowMs: DAY, settleMs: 0 },
  asked: { class: 'keyed', windowMs: DAY, settleMs: 0, probe },
  probe: { class: 'probe', settleMs: 0, probe },
  idempotent: { class: 'idempotent', precondition: () => true },
  composite: { class: 'composite' },
  manual: { class: 'manual' },
} as const
const contracts = (recovery: keyof typeof RECOVERIES, version = 1) =>
  contractOf({ recovery: RECOVERIES[recovery], version })

describe('a doubt recovers by itself', () => {
  const doubt = (change: object = {}) => recordIn('in-doubt', { recovery: 'keyed', reason: 'reset', ...change })

  it.each(['keyed', 'probe', 'idempotent', 'composite'] as const)('where its class says how: %s', (recovery) => {
    expect(recoversByItself(doubt({ recovery }), undefined)).toBe(true)
    expect(recoversByItself(doubt({ recovery }), contracts(recovery))).toBe(true)
  })

  it.each(['manual', 'transactional'])('but not where only a person can: %s', (recovery) => {
    expect(recoversByItself(doubt({ recovery }), undefined)).toBe(false)
    expect(recoversByItself(doubt({ recovery, reason: 'amnesia' }), undefined)).toBe(false)
  })

  it.each(['window-closed', 'precondition-failed', 'verification-failed', 'one of a newer version'])(
    'nor after %s',
    (reason) => {
      expect(recoversByItself(doubt({ reason }), contracts('keyed'))).toBe(false)
    },
  )

  it.each(['executing', 'claimed', 'released', 'committed'] as const)('nor what is %s', (state) => {
    expect(recoversByItself(recordIn(state, { recovery: 'keyed' }), contracts('keyed'))).toBe(false)
  })

  it('nor by a contract of another class or major', () => {
    expect(recoversByItself(doubt(), contracts('probe'))).toBe(false)
    expect(recoversByItself(doubt(), contracts('manual'))).toBe(false)
    expect(recoversByItself(doubt(), contracts('keyed', 2))).toBe(false)
    expect(recoversByItself(doubt({ major: 2 }), contracts('keyed', 2))).toBe(true)
  })

  it('after a loss only by asking', () => {
    const lost = (recovery: string) => doubt({ recovery, reason: 'amnesia' })
    expect(recoversByItself(lost('probe'), contracts('probe'))).toBe(true)
    expect(recoversByItself(lost('probe'), undefined)).toBe(true)
    expect(recoversByItself(lost('keyed'), contracts('asked'))).toBe(true)
    expect(recoversByItself(lost('keyed'), contracts('keyed'))).toBe(false)
    expect(recoversByItself(lost('keyed'), undefined)).toBe(false)
    expect(recoversByItself(lost('idempotent'), contracts('idempotent'))).toBe(false)
    expect(recoversByItself(lost('composite'), contracts('asked'))).toBe(false)
  })
})

describe('the pause before a recovery', () => {
  const core = (change: object) => ({ settings: { ...DEFAULTS, ...change } }) as Core
  const pauses = (change: object, ...recoveries: number[]) =>
    recoveries.map((n) => backoffMs(core(change), recordIn('in-doubt', { recoveries: n })))

  it('is none for the first, and doubles up to the longest', () => {
    expect(pauses({}, 0, 1, 2, 3, 7, 10, 11, 12)).toEqual([0, 250, 500, 1_000, 16_000, 128_000, 180_000, 180_000])
  })

  it('is shorter where a probe is asked, which sends nothing', () => {
    const asked = recordIn('in-doubt', { recoveries: 12, recovery: 'probe' })
    expect(backoffMs(core({}), asked)).toBe(30_000)
    expect(backoffMs(core({ maxRecoveryBackoffMs: 500 }), asked)).toBe(500)
  })

  it('stays a number, however many there were', () => {
    const longest = { maxRecoveryBackoffMs: Number.MAX_VALUE }
    expect(pauses(longest, 20, 21, 22, 5_000)).toEqual([19, 20, 20, 20].map((n) => 250 * 2 ** n))
  })
})
