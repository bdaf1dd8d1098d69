import { describe, expect, it } from 'vitest'
import { knownOptions, type NamesOf } from './known-options.ts'
import { withDefaults } from './with-defaults.ts'

interface Options {
  readonly limit?: number
  readonly holdRepeats?: boolean
}

const NAMES: NamesOf<Options> = { limit: 'number', holdRepeats: true }

describe('options of a door', () => {
  it('come back as they were given when each is known', () => {
    const given = { limit: 3 }
    expect(knownOptions<Options>('door', given, NAMES)).toBe(given)
  })

  it.each([
    [{ holdRepeat: true }, 'door has no option "holdRepeat". Did you mean holdRepeats? Nothing was started.'],
    [{ zebra: 1 }, 'door has no option "zebra". There are limit, holdRepeats. Nothing was started.'],
    [null, 'door takes an object with limit, holdRepeats; it was given null. Nothing was started.'],
    [{ limit: Number.NaN }, 'limit of door must be a number of at least 0, not NaN. Nothing was started.'],
    [{ limit: Infinity }, 'limit of door must be a number of at least 0, not Infinity. Nothing was started.'],
    [{ limit: -1 }, 'limit of door must be a number of at least 0, not -1. Nothing was started.'],
    [{ limit: '30s' }, 'limit of door must be a number of at least 0, not "30s". Nothing was started.'],
    [{ limit: null }, 'limit of door must be a number of at least 0, not null. Nothing was started.'],
    [7, 'door takes an object with limit, holdRepeats; it was given number. Nothing was started.'],
  ])('%j is refused', (given, message) => {
    expect(() => knownOptions<Options>('door', given as never, NAMES)).toThrow(
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
