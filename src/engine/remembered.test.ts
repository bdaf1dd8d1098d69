import { describe, expect, it } from 'vitest'
import type { OperationRecord } from './record.ts'
import { createRemembered } from './remembered.ts'

const committed = (key: string, text = '{}'): OperationRecord =>
  ({ key, input: undefined, outcome: { kind: 'value', text, sha256: '', size: text.length } }) as OperationRecord

describe('answers that are remembered', () => {
  it('are known for their time, and no longer', () => {
    let now = 1_000
    const remembered = createRemembered({ bootMs: () => now }, 5_000)
    remembered.remember(committed('of1_k'))
    now += 4_999
    expect(remembered.recall('of1_k')?.key).toBe('of1_k')
    now += 1
    expect(remembered.recall('of1_k')).toBeUndefined()
  })

  it('are kept without a result where a person settled it without one', () => {
    const remembered = createRemembered({ bootMs: () => 0 }, 5_000)
    const settled = { ...committed('of1_k'), input: '{}', outcome: undefined }
    remembered.remember(settled)
    expect(remembered.recall('of1_k')).toBe(settled)
  })

  it('are kept by their hash where the result lies elsewhere', () => {
    const remembered = createRemembered({ bootMs: () => 0 }, 5_000)
    const elsewhere = {
      ...committed('of1_k'),
      outcome: { kind: 'value', sha256: 'x', size: 9_000, blob: true } as const,
    }
    remembered.remember(elsewhere)
    expect(remembered.recall('of1_k')).toBe(elsewhere)
  })

  it('are forgotten when they are written to', () => {
    const remembered = createRemembered({ bootMs: () => 0 }, 5_000)
    remembered.remember(committed('of1_k'))
    remembered.forget('of1_k')
    expect(remembered.recall('of1_k')).toBeUndefined()
  })

  it('are not kept when they are large, or when none shall be', () => {
    const remembered = createRemembered({ bootMs: () => 0 }, 5_000)
    remembered.remember(committed('of1_large', 'x'.repeat(8 * 1024)))
    expect(remembered.recall('of1_large')).toBeDefined()
    remembered.remember({ ...committed('of1_larger', 'x'.repeat(8 * 1024)), input: '1' })
    expect(remembered.recall('of1_larger')).toBeUndefined()
    const never = createRemembered({ bootMs: () => 0 }, 0)
    never.remember(committed('of1_k'))
    expect(never.recall('of1_k')).toBeUndefined()
  })

  it('are at most 2,000, the oldest of which goes first', () => {
    const remembered = createRemembered({ bootMs: () => 0 }, 5_000)
    for (let n = 0; n <= 2_000; n += 1) remembered.remember(committed(`of1_${n}`))
    expect(remembered.recall('of1_0')).toBeUndefined()
    expect(remembered.recall('of1_1')?.key).toBe('of1_1')
    expect(remembered.recall('of1_2000')?.key).toBe('of1_2000')
    remembered.remember(committed('of1_1'))
    remembered.remember(committed('of1_2001'))
    expect([1, 2, 3].map((n) => remembered.recall(`of1_${n}`)?.key)).toEqual(['of1_1', undefined, 'of1_3'])
  })
})
