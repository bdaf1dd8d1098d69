import type { Guard } from '../../engine/index.ts'
import { callShape, disturbed, HTTP_SHAPE, type Disturber, type Shape } from './disturb.ts'
import type { SiteKind } from './faults.ts'
import { guardOf, type LifeGuard, type Mortal } from './life-guard.ts'
import { knownLifeGuard, type ChaosOptions, type Life, type RunContext } from './options.ts'
import { settleGuards, type Settlement } from './settle-guards.ts'
import type { Sites } from './sites.ts'

/** How one execution of the workflow ended, as its caller sees it. */
export type AttemptEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly why: string }
  /** The caller waits no longer; the execution goes on. */
  | { readonly kind: 'gave-up' }
  | { readonly kind: 'crashed' }

/** One process of a disturbed run, whether it lives in this one or not. */
export interface LifeHandle {
  attempt(nth: number): Promise<AttemptEnd>
  /** Waits for what still runs, and for recovery. */
  settle(withinMs: number): Promise<Settlement | 'crashed'>
  end(): Promise<void>
  /** Waits for nothing. */
  abandon(): Promise<void>
}

/** What identifies a run to its processes. */
export interface RunNames {
  readonly runId: string
  readonly unique: string
}

export interface LocalLifeOptions<App> {
  readonly chaos: ChaosOptions<App>
  readonly sites: Sites
  readonly names: RunNames
  readonly number: number
  /** Called where the process is to die. @default it is forgotten: nothing that it waits for ever comes */
  readonly die?: () => void
}

const FRAMEWORK_ATTEMPTS = 3
const DELAY_MS = 300
const SKEW_MS = 3_600_000

/** Begins a process inside this one. */
export async function localLife<App>(options: LocalLifeOptions<App>): Promise<LifeHandle> {
  const { chaos, sites, names } = options
  let dead = false
  let calls = 0
  let announceCrash = (): void => {}
  const crashed = new Promise<void>((resolve) => (announceCrash = resolve))
  const toolCallers = new Set<() => void>()
  const runCallers = new Set<() => void>()
  const holding = new Set<() => void>()
  const background = new Set<Promise<unknown>>()
  const guards: LifeGuard[] = []

  const track = <T>(work: Promise<T>): Promise<T> => {
    const quiet = work.then(
      () => undefined,
      () => undefined,
    )
    background.add(quiet)
    void quiet.then(() => background.delete(quiet))
    return work
  }
  const letGo = (): void => {
    for (const go of holding) go()
  }

  const process: Disturber = {
    crash: () => {
      sites.skewMs += SKEW_MS
      options.die?.()
      dead = true
      announceCrash()
      letGo()
    },
    giveUp: () => {
      sites.skewMs += SKEW_MS
      for (const leave of toolCallers.size > 0 ? toolCallers : runCallers) leave()
    },
    held: () =>
      new Promise((resolve) => {
        const timer = setTimeout(go, chaos.delayMs ?? DELAY_MS)
        holding.add(go)
        function go(): void {
          clearTimeout(timer)
          holding.delete(go)
          resolve()
        }
      }),
  }

  const live = async <T>(work: Promise<T>): Promise<T> => {
    try {
      const value = await work
      if (!dead) return value
    } catch (error) {
      if (!dead) throw error
    }
    return await new Promise(() => {})
  }

  function pass<T>(kind: SiteKind, name: string, work: () => Promise<T>, shape: Shape<T>): Promise<T> {
    if (dead) return new Promise(() => {})
    const { fault } = sites.reach(kind, name)
    const timed = kind === 'http' || kind === 'tool' ? () => taken(kind, work) : work
    return live(disturbed(fault, timed, shape, process))
  }

  async function taken<T>(kind: 'http' | 'tool', work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    try {
      return await work()
    } finally {
      sites.slowest[kind] = Math.max(sites.slowest[kind], performance.now() - began)
    }
  }

  const mortal: Mortal = {
    isDead: () => dead,
    live,
    around: (name, work) => pass('store', name, work, callShape('the ledger')),
  }

  const fetcher: typeof fetch = (input, init) => {
    const request = input instanceof Request ? input : undefined
    const url = new URL(input instanceof Request ? input.url : input)
    const method = (init?.method ?? request?.method ?? 'GET').toUpperCase()
    const name = `${method} ${nameless(url.pathname.replaceAll(names.unique, '*'))}`
    // Copies: a fault may send it twice.
    return pass('http', name, () => fetch(request?.clone() ?? input, init), HTTP_SHAPE)
  }

  const life: Life = {
    number: options.number,
    fetch: fetcher,
    now: () => Date.now() + sites.skewMs,
    onefold: (guardOptions) => {
      const made = guardOf(mortal, fetcher, knownLifeGuard(guardOptions), sites.pace)
      guards.push(made)
      return made.guard
    },
  }

  const tool: RunContext<App>['tool'] = (name, execute) => async (input) => {
    const callId = `call-${options.number}-${++calls}`
    for (let attempt = 1; ; attempt += 1) {
      let leave = (): void => {}
      const gaveUp = new Promise<never>((_resolve, reject) => {
        leave = () => reject(new DOMException(`${name}: the caller waited no longer`, 'TimeoutError'))
      })
      gaveUp.catch(() => undefined)
      toolCallers.add(leave)
      try {
        const work = pass('tool', name, async () => await execute(input, { callId, attempt }), callShape(name))
        return await Promise.race([track(work), gaveUp])
      } catch (error) {
        if (attempt === FRAMEWORK_ATTEMPTS) throw error
      } finally {
        toolCallers.delete(leave)
        if (attempt > 1) letGo()
      }
    }
  }

  const model: RunContext<App>['model'] = async (sample) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await pass('model', 'call', async () => await sample(), callShape('the model'))
      } catch (error) {
        if (attempt === FRAMEWORK_ATTEMPTS) throw error
      }
    }
  }

  const bury = async (): Promise<void> => {
    dead = true
    letGo()
    for (const guard of guards) await guard.bury()
  }
  let app: App | undefined
  try {
    app = await Promise.race([(async () => (await chaos.open?.(life)) as App)(), crashed.then(() => undefined)])
    if (!dead) sites.since ??= await clockOf(living(guards))
  } catch (error) {
    await bury()
    throw error
  }

  return {
    attempt: async (nth) => {
      if (dead) return { kind: 'crashed' }
      let leave = (): void => {}
      const gaveUp = new Promise<AttemptEnd>((resolve) => (leave = () => resolve({ kind: 'gave-up' })))
      runCallers.add(leave)
      const work = (async (): Promise<AttemptEnd> => {
        try {
          await chaos.workflow({ app: app as App, ...names, attempt: nth, fetch: fetcher, tool, model })
          return { kind: 'done' }
        } catch (error) {
          return { kind: 'failed', why: error instanceof Error ? error.message : String(error) }
        } finally {
          if (nth > 1) letGo()
        }
      })()
      const end = await Promise.race([track(work), gaveUp, crashed.then((): AttemptEnd => ({ kind: 'crashed' }))])
      runCallers.delete(leave)
      return end
    },
    settle: async (withinMs) => {
      const idle = (async () => {
        while (background.size > 0) await Promise.allSettled(background)
        await chaos.settle?.()
        return await settleGuards(living(guards), chaos.person, withinMs, sites.since)
      })()
      idle.catch(() => undefined)
      return await Promise.race([idle, crashed.then(() => 'crashed' as const)])
    },
    abandon: bury,
    end: async () => {
      if (dead) return await bury()
      for (const { guard } of guards) await guard.close()
      dead = true
    },
  }
}

/**
 * A path without ids that another run will not have (`/orders/*`, `/charges/*`): where a place has another name in every
 * run, no fault ever finds it again.
 */
const nameless = (path: string): string =>
  path
    .split('/')
    .map((part) => {
      if (/^v\d+$/i.test(part)) return part
      return part.length >= 12 && /\d/.test(part) ? '*' : part.replaceAll(/\d+/g, '*')
    })
    .join('/')

/** The time by the ledgers of these guards; undefined where there is none. */
async function clockOf(guards: readonly Guard[]): Promise<number | undefined> {
  const pages = await Promise.all(guards.map(({ internals }) => internals.operators.list({ limit: 1 })))
  return pages.length === 0 ? undefined : Math.min(...pages.map(({ now }) => now))
}

const living = (guards: readonly LifeGuard[]): readonly Guard[] => guards.map(({ guard }) => guard)
