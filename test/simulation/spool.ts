import type { Spool, SpoolEntry } from '../../src/engine/index.ts'
import { never, type Process } from './life.ts'
import { happens } from './world.ts'

/** What a machine keeps for its processes, also for those that have died. */
export interface SimSpool {
  readonly entries: SpoolEntry[]
}

/** A process's hand on its machine's spool: appending takes a moment, in which the process may die. */
export function spoolOf(process: Process): Spool {
  const { world } = process
  const { entries } = process.host.spool
  return {
    reserve: async () => undefined,
    append: (entry) => {
      if (process.hazard('spool>')) return never()
      return new Promise((resolve, reject) => {
        process.later(world.random.between(0, 3), 'spool<', () => {
          if (world.diskFull && happens(world, 0.5)) return reject(new Error('ENOSPC'))
          world.coverage.hit('spooled')
          entries.push(entry)
          resolve()
        })
      })
    },
    drain: async (apply) => {
      let drained = 0
      for (const entry of entries.slice()) {
        if (!(await apply(entry))) continue
        drained += 1
        const at = entries.indexOf(entry)
        if (at >= 0) entries.splice(at, 1)
      }
      if (drained > 0) world.coverage.hit('drained')
      return drained
    },
    close: async () => undefined,
  }
}
