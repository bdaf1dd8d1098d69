import { Worker } from 'node:worker_threads'
import type { FuzzResult } from './fuzz.ts'
import { HEADER_BYTES, LARGEST, type WorkerTask } from './shared.ts'

/** So long may one run take before its input is taken to be endless; 50 ms are judged inside. */
const HANGS_AFTER_MS = 10_000

/** Fuzzes one target for a while. An input that never ends is a finding like others. */
export function runTarget(target: string, ms: number, seed: number): Promise<FuzzResult> {
  return new Promise((resolve, reject) => {
    const shared = new SharedArrayBuffer(HEADER_BYTES + LARGEST)
    const header = new Int32Array(shared, 0, 2)
    const task: WorkerTask = { target, seed, ms, shared }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task })
    const startedAt = performance.now()
    let runs = 0
    let since = startedAt
    const watchdog = setInterval(() => {
      const now = performance.now()
      const current = Atomics.load(header, 1)
      if (current !== runs) since = now
      runs = current
      if (now - since < HANGS_AFTER_MS || runs === 0) return
      const input = Buffer.from(new Uint8Array(shared, HEADER_BYTES, header[0]))
      const findings = [{ what: `did not end within ${HANGS_AFTER_MS} ms`, input }]
      done(() =>
        resolve({
          runs,
          ms: now - startedAt,
          blocks: { known: 0, run: 0 },
          corpus: [],
          findings,
          slowestMs: now - since,
        }),
      )
    }, 500)
    function done(tell: () => void): void {
      clearInterval(watchdog)
      void worker.terminate()
      tell()
    }
    worker.once('message', (result: FuzzResult) => done(() => resolve(result)))
    worker.once('error', (error: Error) => done(() => reject(error)))
  })
}
