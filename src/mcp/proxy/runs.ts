import type { PerformOptions, RunOptions } from '../../engine/index.ts'

type ActiveRun = NonNullable<PerformOptions['run']>

const KEPT = 1_000

/** The runs that calls name, each once; the oldest are forgotten, which costs nothing but their receipts' memory. */
export function createRuns(runOf: (options: RunOptions) => ActiveRun): {
  of(id: string | undefined, session: string | undefined): ActiveRun
} {
  const known = new Map<string, ActiveRun>()
  return {
    of(id, session) {
      const name = JSON.stringify([id ?? null, session ?? null])
      const run =
        known.get(name) ?? runOf({ ...(id === undefined ? {} : { id }), ...(session === undefined ? {} : { session }) })
      known.delete(name)
      known.set(name, run)
      const oldest = known.size > KEPT ? known.keys().next().value : undefined
      if (oldest !== undefined) known.delete(oldest)
      return run
    },
  }
}
