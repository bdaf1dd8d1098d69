import { describe, expect, it } from 'vitest'
import { steadyClock } from './steady-clock.ts'

function clockAt(start: number): { wall: { now: number }; clock: ReturnType<typeof steadyClock> } {
  const wall = { now: start }
  return { wall, clock: steadyClock(() => wall.now) }
}

describe('steady clock', () => {
  it('follows the wall clock', () => {
    const { wall, clock } = clockAt(1000)
    expect(clock.now()).toBe(1000)
    wall.now = 5000
    expect(clock.now()).toBe(5000)
  })

  it('does not go back, and goes on from where it was', () => {
    const { wall, clock } = clockAt(1000)
    clock.now()
    wall.now = 400
    expect(clock.now()).toBe(1000)
    wall.now = 450
    expect(clock.now()).toBe(1050)
  })

  it('shows at least what it was raised to, and goes on from there', () => {
    const { wall, clock } = clockAt(1000)
    clock.raise(3000)
    expect(clock.now()).toBe(3000)
    wall.now = 1010
    expect(clock.now()).toBe(3010)
  })

  it('is not lowered by a lower floor, nor set back by one it has passed', () => {
    const { wall, clock } = clockAt(1000)
    clock.raise(500)
    expect(clock.now()).toBe(1000)
    wall.now = 900
    clock.raise(950)
    expect(clock.now()).toBe(1000)
  })
})
