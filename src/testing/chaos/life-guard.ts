import { downstreamFetch } from '../../downstream/index.ts'
import { createGuard, type Clock, type Guard, type Settings, type Store, type Write } from '../../engine/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../system/index.ts'
import type { LifeGuardOptions } from './options.ts'
import type { Pace } from './sites.ts'

type QuickSettings = Partial<Settings> & Pick<Settings, 'leaseMs' | 'quarantineMs' | 'windowMarginMs'>

/** The engine's times in their proportions, short enough for a test. */
export const QUICK_SETTINGS: QuickSettings = {
  leaseMs: 300,
  heartbeatMs: 60,
  sendGraceMs: 5,
  quarantineMs: 60,
  windowMarginMs: 120,
  sweepMs: 25,
  recoveryBackoffMs: 10,
  maxRecoveryBackoffMs: 200,
  waitMs: 10_000,
}

/** The longest time in which a request that was sent lands, as a multiple of the slowest that was seen. */
const LANDS_WITHIN = 3

/**
 * {@link QUICK_SETTINGS} for a slower workflow. A request outlives the process that sent it: a quarantine below what the
 * service takes would have a look-up come before it (protocol.md, A2). A tool that computes keeps its lease from its
 * heartbeats.
 */
export function settingsFor({ requestMs, toolMs }: Pace = { requestMs: 0, toolMs: 0 }): QuickSettings {
  const { leaseMs, quarantineMs, windowMarginMs } = QUICK_SETTINGS
  const quarantine = Math.max(quarantineMs, Math.ceil(LANDS_WITHIN * requestMs))
  return {
    ...QUICK_SETTINGS,
    leaseMs: Math.max(leaseMs, Math.ceil(2 * toolMs)),
    quarantineMs: quarantine,
    windowMarginMs: Math.max(windowMarginMs, quarantine),
  }
}

/** A process that can die without taking this one along. */
export interface Mortal {
  readonly isDead: () => boolean
  /** Passes a value on, unless the process has died meanwhile: then nobody ever gets it. */
  live<T>(work: Promise<T>): Promise<T>
  /** Around each write of the ledger. */
  around<T>(name: string, work: () => Promise<T>): Promise<T>
}

/** Names of processes that live or lived inside this one, for {@link systemProcesses} knows only real ones. */
const lives = new Map<string, Mortal>()
let named = 0

export interface LifeGuard {
  readonly guard: Guard
  /** Closes the store under a guard that died. */
  bury(): Promise<void>
}

/** A guard whose store, timers and name belong to a mortal process. */
export function guardOf(
  mortal: Mortal,
  fetcher: typeof fetch,
  options: LifeGuardOptions,
  pace: Pace | undefined,
): LifeGuard {
  const system = systemProcesses()
  const self = `${system.self}/life-${++named}`
  lives.set(self, mortal)
  const guard = createGuard({
    store: mortalStore(options.store, mortal),
    ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
    allowVolatile: true,
    settings: { ...settingsFor(pace), ...options.settings },
    clock: mortalClock(mortal),
    ids: systemIds(),
    processes: { self, isDead: (owner, isLocal) => lives.get(owner)?.isDead() ?? system.isDead(owner, isLocal) },
    makeFetch: downstreamFetch(fetcher),
  })
  return { guard, bury: () => options.store.close() }
}

export function mortalClock(mortal: Pick<Mortal, 'isDead'>): Clock {
  const clock = systemClock()
  return {
    ...clock,
    after: (ms, callback, background) =>
      clock.after(
        ms,
        () => {
          if (!mortal.isDead()) callback()
        },
        background,
      ),
  }
}

/** The store as a process sees it: what it asks for after its death is never answered. */
export function mortalStore(store: Store, mortal: Mortal): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      const method = value as (...args: unknown[]) => unknown
      return (...args: unknown[]): unknown => {
        if (mortal.isDead()) return new Promise(() => {})
        const work = (): unknown => method.apply(target, args)
        const step = name === 'write' ? (args[0] as Write).event.transition : 'heartbeat'
        // A heartbeat comes when it comes: no two runs have the same ones.
        if (step !== 'heartbeat') return mortal.around(step, work as () => Promise<unknown>)
        const answer = work()
        return answer instanceof Promise ? mortal.live(answer) : answer
      }
    },
  })
}
