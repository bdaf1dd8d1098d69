import { describe, expect, it } from 'vitest'
import { createLookFirst } from './look-first.ts'

const nothing = { record: undefined, now: 0 }
const something = { record: { key: 'of1_k' } as never, now: 0 }

describe('looking before claiming', () => {
  it('is never worthwhile where a read is a round trip', () => {
    const look = createLookFirst(false)
    look.saw(something)
    expect(look.worthwhile()).toBe(false)
  })

  it('is given up after 64 new operations in a row, and taken up again with the first duplicate', () => {
    const look = createLookFirst(true)
    for (let n = 0; n < 63; n += 1) look.saw(nothing)
    expect(look.worthwhile()).toBe(true)
    look.saw(nothing)
    expect(look.worthwhile()).toBe(false)
    look.saw(something)
    expect(look.worthwhile()).toBe(true)
  })

  it('counts looks in vain in a row only', () => {
    const look = createLookFirst(true)
    for (let n = 0; n < 1_000; n += 1) look.saw(n % 64 === 63 ? something : nothing)
    expect(look.worthwhile()).toBe(true)
  })
})
