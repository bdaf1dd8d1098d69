import { keepNewest, type PerformOptions, type RunOptions } from '../../engine/index.ts'

type ActiveRun = NonNullable<PerformOptions['run']>

const KEPT = 1_000

/**
 * The runs that calls name, each once; the oldest are forgotten, which costs nothing but their receipts' memory. A call
 * that names none, only where it belongs, gets one of its own.
 */
export function createRuns(runOf: (options: RunOptions) => ActiveRun): {
  of(id: string | undefined, session: string | undefined, tenant: string | undefined): ActiveRun
} {
  const known = new Map<string, ActiveRun>()
  return {
    of(id, session, tenant) {
      const given = { ...(session === undefined ? {} : { session }), ...(tenant === undefined ? {} : { tenant }) }
      if (id === undefined) return runOf(given)
      const name = JSON.stringify([id, session ?? null, tenant ?? null])
      const run = known.get(name) ?? runOf({ id, ...given })
      keepNewest(known, name, run, KEPT)
      return run
    },
  }
}
