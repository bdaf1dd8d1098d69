import { describe, expect, it } from 'vitest'
import { composite, idempotent, keyed, manual, probe, transactional } from './recovery.ts'
import type { Duration } from './types.ts'

describe('recovery', () => {
  const ask = (): { found: false } => ({ found: false })

  it('is plain, frozen data', () => {
    expect(keyed('24h')).toEqual({ class: 'keyed', windowMs: 86_400_000, settleMs: 0 })
    expect(keyed('1h', { probe: ask, settle: '2s' })).toEqual({
      class: 'keyed',
      windowMs: 3_600_000,
      settleMs: 2000,
      probe: ask,
    })
    expect(probe(ask, { settle: '5s' })).toEqual({ class: 'probe', probe: ask, settleMs: 5000 })
    const precondition = (): boolean => true
    expect(idempotent({ precondition })).toEqual({ class: 'idempotent', precondition })
    expect([transactional(), manual(), composite()]).toEqual([
      { class: 'transactional' },
      { class: 'manual' },
      { class: 'composite' },
    ])
    expect(Object.isFrozen(keyed('24h'))).toBe(true)
  })

  it.each([
    ['a window of 0', () => keyed('0s'), 'cannot be 0'],
    ['a window that is no duration', () => keyed('a day' as Duration), "as '24h'"],
    ['no window', () => keyed(undefined as unknown as Duration), 'window of keyed()'],
    ['a probe that is no function', () => keyed('24h', { probe: 1 as unknown as typeof ask }), 'must be a function'],
    ['no probe', () => probe(undefined as unknown as typeof ask, { settle: '5s' }), 'must be a function'],
    ['no settle', () => probe(ask, {} as { settle: Duration }), 'needs settle'],
    ['no options', () => probe(ask, undefined as unknown as { settle: Duration }), 'needs settle'],
    ['no precondition', () => idempotent({} as { precondition: () => boolean }), 'precondition'],
    ['nothing', () => idempotent(undefined as unknown as { precondition: () => boolean }), 'precondition'],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'CONTRACT_INVALID', message: expect.stringContaining(message) }),
    )
  })
})
