import { withoutAmbient } from './ambient.ts'
import { Coverage } from './coverage.ts'
import type { Mutation } from './mutants.ts'
import type { Kind, Plan } from './plan.ts'
import { simulate } from './simulate.ts'

/** A promise that a seed broke. */
export interface Failure {
  readonly seed: number
  readonly kind: string
  readonly message: string
}

/** What a row of schedules came to. */
export interface Batch {
  readonly schedules: number
  readonly steps: number
  readonly coverage: Readonly<Record<string, number>>
  readonly failures: readonly Failure[]
  /** All fingerprints in one. */
  readonly fingerprint: string
}

export interface BatchOptions {
  readonly from: number
  readonly count: number
  readonly kind?: Kind | undefined
  readonly mutation?: Mutation | undefined
  /** Held fixed for every seed. */
  readonly plan?: Partial<Plan> | undefined
  /** Stop at the first failure. */
  readonly untilFailure?: boolean
}

// Schedules between two breaths: the event loop gets its turn, with the world's own timers.
const BREATH = 250

const breath = setImmediate

/** Runs the schedules of `count` seeds, one after another, in this thread. */
export async function runBatch(options: BatchOptions): Promise<Batch> {
  const { from, count, kind, mutation, plan } = options
  const coverage = new Coverage()
  const failures: Failure[] = []
  const limit = Error.stackTraceLimit
  let fingerprint = 0
  let steps = 0
  let seed = from
  const more = (): boolean => seed < from + count && !(options.untilFailure === true && failures.length > 0)
  // Traces of the many errors that are part of the game would cost more than the game.
  Error.stackTraceLimit = 0
  try {
    while (more()) {
      await withoutAmbient(async () => {
        for (const end = seed + BREATH; seed < end && more(); seed += 1) {
          const result = await simulate(seed, { coverage, kind, plan, ...(mutation === undefined ? {} : { mutation }) })
          steps += result.steps
          for (const char of result.fingerprint) fingerprint = (Math.imul(fingerprint, 31) + char.charCodeAt(0)) | 0
          if (result.violation !== undefined)
            failures.push({ seed, kind: result.plan.kind, message: messageOf(result.violation) })
        }
      })
      await new Promise((resolve) => breath(resolve))
    }
  } finally {
    Error.stackTraceLimit = limit
  }
  return {
    schedules: seed - from,
    steps,
    coverage: coverage.toJSON(),
    failures,
    fingerprint: (fingerprint >>> 0).toString(16),
  }
}

const messageOf = (violation: unknown): string => (violation instanceof Error ? violation.message : String(violation))
