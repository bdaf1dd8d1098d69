import { describe, expect, it } from 'vitest'
import { OPEN_STATES, STATES } from '../../engine/index.ts'
import { LAST_OPEN, numberOf, placeOf, stateOf } from './states.ts'

describe('states in the file', () => {
  it('have a number each, and come back', () => {
    const places = ['absent', 'deleted', ...STATES] as const
    expect(new Set(places.map(numberOf)).size).toBe(places.length)
    for (const place of places) expect(placeOf(numberOf(place))).toBe(place)
  })

  it('are at most LAST_OPEN when they are open, and above it when they are not', () => {
    for (const state of STATES) expect(numberOf(state) <= LAST_OPEN).toBe(OPEN_STATES.includes(state))
    expect(LAST_OPEN).toBe(7)
  })

  it('fail closed when this version does not know them', () => {
    expect(() => stateOf(99)).toThrow(expect.objectContaining({ code: 'STORE_UNSAFE' }))
  })
})
