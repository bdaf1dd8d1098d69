/** Fuzzes one target in a thread of its own, so that an input that never ends can be stopped and named. */
import { readdirSync, readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { fuzz, type FuzzResult } from './fuzz.ts'
import { HEADER_BYTES, type WorkerTask } from './shared.ts'
import { PLANTED, TARGETS } from './targets.ts'

const { target: name, seed, ms, shared } = workerData as WorkerTask
const target = [...TARGETS, PLANTED].find((known) => known.name === name)
if (target === undefined) throw new Error(`no target ${name}`)
const header = new Int32Array(shared, 0, 2)
const bytes = new Uint8Array(shared, HEADER_BYTES)

function seedsOf(folder: URL): Buffer[] {
  try {
    return readdirSync(folder)
      .toSorted()
      .map((file) => readFileSync(new URL(file, folder)))
  } catch {
    return []
  }
}

const result: FuzzResult = fuzz(target, {
  seed,
  ms,
  seeds: seedsOf(new URL(`./corpus/${name}/`, import.meta.url)),
  mostFindings: target === PLANTED ? 1 : 5,
  running(input) {
    bytes.set(input.subarray(0, bytes.length))
    header[0] = Math.min(input.length, bytes.length)
    Atomics.add(header, 1, 1)
  },
})
parentPort?.postMessage(result)
