import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '../../src/engine/index.ts'

/** Boot, wall and store time begin far apart, so that whoever takes one for another is off by years. */
const BOOT = 1_000
const WALL = 50_000_000
const STORE = 9_000_000_000

export interface VirtualClock extends Clock {
  /** The store's clock. */
  storeMs(): number
  /** Sets the store's clock ahead of what has passed. */
  stepStore(ms: number): void
  /** Lets the boot clock pass without any timer: a process that was paused, a machine that slept. */
  pause(ms: number): void
  /** Runs every timer that is due within `ms`, in order; between two of them everything that can run has run. */
  advance(ms: number): Promise<void>
  /** Lets time pass until `work` has ended, at most for an hour. */
  until<T>(work: Promise<T>): Promise<T>
  /** The timers that wait: milliseconds from now, and whether they keep the process alive. */
  timers(): readonly { readonly inMs: number; readonly background: boolean }[]
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly background: boolean
  readonly run: () => void
}

/** Resolves when no microtask is left. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function virtualClock(): VirtualClock {
  const timers = new Set<Timer>()
  let passed = 0
  let stepped = 0
  let order = 0

  function next(limit: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at > limit) continue
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer
    }
    return first
  }

  async function runOne(limit: number): Promise<boolean> {
    const timer = next(limit)
    if (timer === undefined) return false
    timers.delete(timer)
    passed = Math.max(passed, timer.at)
    timer.run()
    await settle()
    return true
  }

  return {
    wallMs: () => WALL + passed,
    bootMs: () => BOOT + passed,
    storeMs: () => STORE + passed + stepped,
    stepStore: (ms) => {
      stepped += ms
    },
    pause: (ms) => {
      passed += ms
    },
    after(ms, callback, background = false) {
      const timer: Timer = { at: passed + ms, order: (order += 1), background, run: AsyncLocalStorage.bind(callback) }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const target = passed + ms
      await settle()
      while (await runOne(target));
      passed = Math.max(passed, target)
    },
    async until(work) {
      let done = false
      const ended = work.then(
        () => (done = true),
        () => (done = true),
      )
      await settle()
      const limit = passed + 3_600_000
      while (!done && (await runOne(limit)));
      if (!done) throw new Error('nothing happens any more')
      await ended
      return await work
    },
    timers: () =>
      Array.from(timers, ({ at, background }) => ({ inMs: at - passed, background })).sort((a, b) => a.inMs - b.inMs),
  }
}
