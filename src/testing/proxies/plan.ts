import { unknownName } from '../../contract/index.ts'

/** What a proxy can do to a call that passes. */
export const PROXY_FAULTS = [
  'crash-after',
  'crash-before',
  'delay',
  'duplicate',
  'error-after',
  'error-before',
  'lost-answer',
  'lost-request',
  'reset-mid-body',
] as const

export type ProxyFault = (typeof PROXY_FAULTS)[number]

/** Which fault a call meets: one after another in order of arrival, or by what it is. `undefined` lets it pass. */
export type FaultPlan<Call> =
  | readonly (ProxyFault | undefined)[]
  | ((call: Call, nth: number) => ProxyFault | undefined)

/** Hands out faults in order; what is added later follows what is planned already. */
export interface Planner<Call> {
  next(call: Call): ProxyFault | undefined
  add(faults: readonly (ProxyFault | undefined)[]): void
}

/** @throws OnefoldError CONFIG_INVALID for a fault that there is not: the call would pass, and the test with it */
export function planner<Call>(plan: FaultPlan<Call> = []): Planner<Call> {
  const known = (fault: ProxyFault | undefined): ProxyFault | undefined => {
    if (fault === undefined || PROXY_FAULTS.includes(fault)) return fault
    throw unknownName('A proxy', 'fault', String(fault), PROXY_FAULTS)
  }
  const queue = typeof plan === 'function' ? [] : plan.map(known)
  let nth = 0
  return {
    next: (call) => {
      nth += 1
      const queued = queue.shift()
      return queued ?? (typeof plan === 'function' ? plan(call, nth) : undefined)
    },
    add: (faults) => void queue.push(...faults.map(known)),
  }
}

/** Lets late answers go: on release, or when their time is over. */
export interface Holding {
  hold(ms: number): Promise<void>
  release(): void
}

export function holding(): Holding {
  const held = new Set<() => void>()
  return {
    hold: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(go, ms)
        held.add(go)
        function go(): void {
          clearTimeout(timer)
          held.delete(go)
          resolve()
        }
      }),
    release: () => {
      for (const go of held) go()
    },
  }
}
