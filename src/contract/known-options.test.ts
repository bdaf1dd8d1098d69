import { describe, expect, it } from 'vitest'
import { knownOptions } from './known-options.ts'
import { withDefaults } from './with-defaults.ts'

const NAMES = { limit: true, holdRepeats: true } as const

describe('options of a door', () => {
  it('come back as they were given when each is known', () => {
    const given = { limit: 3 }
    expect(knownOptions('door', given as never, NAMES)).toBe(given)
  })

  it.each([
    [{ holdRepeat: true }, 'door has no option "holdRepeat". Did you mean holdRepeats? Nothing was started.'],
    [{ zebra: 1 }, 'door has no option "zebra". There are limit, holdRepeats. Nothing was started.'],
    [null, 'door takes an object with limit, holdRepeats; it was given null. Nothing was started.'],
    [7, 'door takes an object with limit, holdRepeats; it was given number. Nothing was started.'],
  ])('%j is refused', (given, message) => {
    expect(() => knownOptions('door', given as never, NAMES)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message }),
    )
  })

  it('that are there as undefined leave the defaults', () => {
    expect(withDefaults({ limit: 5, holdRepeats: true }, { limit: undefined, holdRepeats: false })).toEqual({
      limit: 5,
      holdRepeats: false,
    })
    expect(withDefaults({ limit: 5 }, undefined)).toEqual({ limit: 5 })
  })
})
