import { fork, type ChildProcess } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Batch } from './batch.ts'
import { Coverage } from './coverage.ts'
import type { Kind } from './plan.ts'

export interface PoolOptions {
  readonly from: number
  readonly count: number
  readonly processes: number
  readonly kind?: Kind | undefined
  /** Leaves the processors to whatever else runs: nothing in here goes by real time. @default false */
  readonly yielding?: boolean
  readonly onProgress?: (done: number) => void
}

// Long enough that handing out costs nothing, short enough that no process is idle at the end.
const ROW = 2_000

/** Runs the schedules of `count` seeds on several processes. */
export async function runPool(options: PoolOptions): Promise<Batch> {
  const { from, count, kind } = options
  const coverage = new Coverage()
  const failures: Batch['failures'][number][] = []
  const end = from + count
  let next = from
  let done = 0
  let steps = 0
  let fingerprint = 0

  const take = (child: ChildProcess): boolean => {
    if (next >= end) return false
    child.send({ from: next, count: Math.min(ROW, end - next), kind })
    next += ROW
    return true
  }

  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
        execArgv: ['-C', 'onefold-source'],
        // Conditions of a surrounding test runner would be given twice.
        env: { ...process.env, NODE_OPTIONS: '' },
      })
      if (options.yielding === true && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
      child.on('message', (batch: Batch) => {
        coverage.add(batch.coverage)
        failures.push(...batch.failures)
        done += batch.schedules
        steps += batch.steps
        // Rows end in any order, so their fingerprints are added up.
        fingerprint = (fingerprint + Number.parseInt(batch.fingerprint, 16)) >>> 0
        options.onProgress?.(done)
        if (!take(child)) child.disconnect()
      })
      child.on('error', reject)
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`a worker of the simulation ended with ${code}`)),
      )
      if (!take(child)) child.disconnect()
    })
  await Promise.all(Array.from({ length: Math.max(1, Math.min(options.processes, Math.ceil(count / ROW))) }, work))
  failures.sort((one, other) => one.seed - other.seed)
  return { schedules: done, steps, coverage: coverage.toJSON(), failures, fingerprint: fingerprint.toString(16) }
}
