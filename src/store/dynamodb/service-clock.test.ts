import { describe, expect, it } from 'vitest'
import { serviceClock } from './service-clock.ts'

const T0 = Date.UTC(2026, 0, 1)

/** A service with a clock of its own, a link with latency, a host whose wall clock is wrong. */
function world(options: { readonly latencyMs?: number; readonly wallOffMs?: number } = {}) {
  const { latencyMs = 4, wallOffMs = 86_400_000 } = options
  let monotonic = 1000
  let service = T0 + 250
  const clock = serviceClock(
    () => service + wallOffMs,
    () => monotonic,
  )
  const pass = (ms: number): void => {
    monotonic += ms
    service += ms
  }
  return {
    clock,
    pass,
    /** One request: the header names the whole second in which it was answered. */
    ask() {
      const sentAt = monotonic
      pass(latencyMs / 2)
      const date = Math.floor(service / 1000) * 1000
      pass(latencyMs / 2)
      clock.heard(date, sentAt, monotonic)
      return clock.now()
    },
    step(ms: number) {
      service += ms
    },
    /** How far store time is behind the service's; negative when ahead. */
    behind: () => service - clock.now(),
  }
}

describe('the service clock', () => {
  it('goes by the service, whatever the host’s wall clock says', () => {
    const { ask, behind } = world()
    ask()
    expect(behind()).toBeGreaterThanOrEqual(0)
    expect(behind()).toBeLessThanOrEqual(1000)
  })

  it('is never ahead of the service, and comes near to it once seconds change between answers', () => {
    const { ask, pass, behind } = world()
    for (let n = 0; n < 400; n += 1) {
      ask()
      expect(behind()).toBeGreaterThanOrEqual(0)
      pass(3 + (n % 7))
    }
    expect(behind()).toBeLessThanOrEqual(15)
  })

  it('never goes back, and goes on after the service’s clock stepped back', () => {
    const { ask, step, pass, clock } = world()
    const before = ask()
    step(-86_400_000)
    const after = ask()
    expect(after).toBeGreaterThanOrEqual(before)
    pass(5000)
    expect(clock.now() - after).toBeGreaterThanOrEqual(5000)
    step(60_000)
    expect(ask() - after).toBeGreaterThanOrEqual(64_000)
  })

  it('follows the service forward', () => {
    const { ask, step, behind } = world()
    ask()
    step(86_400_000)
    ask()
    expect(behind()).toBeGreaterThanOrEqual(0)
    expect(behind()).toBeLessThanOrEqual(1000)
  })

  it('is not behind what another process has stamped, and still comes near to the service', () => {
    const { ask, clock, pass, behind } = world()
    const now = ask()
    clock.raise(now + 200)
    expect(clock.now()).toBe(now + 200)
    for (let n = 0; n < 400; n += 1) {
      pass(5)
      ask()
    }
    expect(behind()).toBeGreaterThanOrEqual(0)
    expect(behind()).toBeLessThanOrEqual(15)
  })

  it('keeps within a second while the two clocks drift apart', () => {
    const { ask, pass, step, behind } = world()
    for (let n = 0; n < 5000; n += 1) {
      ask()
      pass(1000)
      // The host's monotonic clock is 200 ppm faster than the service's.
      step(-0.2)
    }
    expect(Math.abs(behind())).toBeLessThanOrEqual(1010)
  })

  it('goes by the wall clock where a client shows no headers', () => {
    const { clock, pass } = world({ wallOffMs: 0 })
    expect(clock.now()).toBe(T0 + 250)
    pass(10)
    expect(clock.now()).toBe(T0 + 260)
  })
})
