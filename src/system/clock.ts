import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from '../engine/index.ts'

/** Between two looks at `os.uptime()`, which costs 5 µs on Linux, at most this much monotonic time may pass. */
const LOOK_AGAIN_MS = 50

/**
 * The machine's clocks. The boot clock is `os.uptime()`, which goes on while the machine sleeps (Node's monotonic clock
 * does not). Between looks the monotonic clock carries it on; a sleep shows at once, because then the wall clock has
 * moved further than the monotonic one. It never goes back.
 */
export function systemClock(): Clock {
  let last = 0
  let offset = -Infinity
  let lookedAt = -Infinity
  let wallOffset = 0
  return {
    wallMs: () => Date.now(),
    bootMs: () => {
      const monotonic = performance.now()
      const drift = Math.abs(Date.now() - monotonic - wallOffset)
      if (monotonic - lookedAt >= LOOK_AGAIN_MS || drift > 2) {
        lookedAt = monotonic
        wallOffset = Date.now() - monotonic
        offset = Math.max(offset, uptime() * 1000 - monotonic)
      }
      last = Math.max(last, monotonic + offset)
      return last
    },
    after: (ms, callback, background) => {
      const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1))
      if (background === true) timer.unref()
      return () => clearTimeout(timer)
    },
  }
}

/** Tells one boot of this machine from another, where the system says so. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // To 10 s: enough to tell two boots apart, coarse enough for the wall clock's jitter.
    return `up${Math.round((Date.now() - uptime() * 1000) / 10_000)}`
  }
}

/** True for a boot that the system does not name (macOS, Windows). */
export const isWorkedOut = (boot: string): boolean => /^up\d+$/.test(boot)
