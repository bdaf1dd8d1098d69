import { describe, expect, it } from 'vitest'
import { OPEN_STATES, STATES } from '../../engine/index.ts'
import { LAST_OPEN, nameOf, numberOf, stateOf } from './states.ts'

describe('states in the file', () => {
  it('have a number each, and come back', () => {
    const places = ['absent', 'deleted', ...STATES] as const
    expect(new Set(places.map(numberOf)).size).toBe(places.length)
    for (const place of places) expect(nameOf(numberOf(place))).toBe(place)
    for (const state of STATES) expect(stateOf(numberOf(state), 'of1_a')).toBe(state)
  })

  it('are at most LAST_OPEN when they are open, and above it when they are not', () => {
    for (const state of STATES) expect(numberOf(state) <= LAST_OPEN).toBe(OPEN_STATES.includes(state))
    expect(LAST_OPEN).toBe(7)
  })

  it('fail closed when this version does not know them', () => {
    for (const number of [99, numberOf('absent'), numberOf('deleted')])
      expect(() => stateOf(number, 'of1_a')).toThrow(
        expect.objectContaining({ code: 'STORE_UNSAFE', effect: 'unknown', key: 'of1_a' }),
      )
    expect(nameOf(99)).toBe('number 99')
  })
})
