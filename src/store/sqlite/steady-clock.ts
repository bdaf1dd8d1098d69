/** The store's clock: follows the wall clock, never goes backwards. Milliseconds. */
export interface SteadyClock {
  now(): number
  /** Makes the clock show at least `floor` from now on: a time that this file, or another process on it, has already seen. */
  raise(floor: number): void
}

/**
 * A step back of the wall clock, or a floor ahead of it, is kept as an offset: the clock never stands still until the
 * wall clock has caught up, so leases and back-offs still run out.
 */
export function steadyClock(wall: () => number): SteadyClock {
  let last = 0
  let offset = 0
  const raise = (floor: number, seen: number): void => {
    if (seen + offset < floor) offset = floor - seen
  }
  return {
    now() {
      const seen = wall()
      raise(last, seen)
      last = seen + offset
      return last
    },
    raise(floor) {
      if (floor > last) raise(floor, wall())
    },
  }
}
