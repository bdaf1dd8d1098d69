import { Worker } from 'node:worker_threads'
import { createSlots } from '../../engine/index.ts'
import { errorOf, unavailable, type Failure } from './failure.ts'
import { settleReplies, type Waiting } from './replies.ts'
import type { FileId } from './same-file.ts'
import type { Greeting, Replies, Request, Step, WorkerOptions } from './wire.ts'
import { workerProgram } from './worker-program.ts'

/** Carries steps to the worker and answers back. */
export interface Courier {
  /** Sends a step; `id` is what its reply names it by. Rejects with `STORE_UNAVAILABLE` or `STORE_UNSAFE`. */
  send<T>(step: (id: number) => Step): Promise<T>
  /** True once the worker has ended or is not to be used any more. */
  readonly broken: boolean
  /** What the worker has opened. */
  readonly file: FileId
  /** Ends the worker after everything that was sent; resolves when its connection is closed. */
  close(): Promise<void>
}

/**
 * Steps that are sent on at once, while the caller still goes on: few at first, so that an idle worker begins early, then
 * more, since every message costs both sides.
 */
const FIRST_STEPS = 4
const MOST_STEPS = 16

/**
 * Starts the worker. Rejects with what kept it from opening the ledger.
 * The process may end while a courier is idle; it may not while answers are outstanding.
 */
export async function startCourier(
  options: WorkerOptions,
  now: () => number,
  heard: (now: number) => void,
): Promise<Courier> {
  // Neither flags nor hooks of the caller's process belong into the worker.
  const worker = new Worker(workerProgram(import.meta.url), {
    workerData: options,
    execArgv: [],
    name: 'onefold-sqlite',
  })
  const waiting = createSlots<Waiting>()
  let outgoing: Step[] = []
  let enough = FIRST_STEPS
  let flushing = false
  let broken = false
  let ended = false

  function flush(): void {
    if (outgoing.length === 0 || ended) return
    const steps = outgoing
    outgoing = []
    enough = MOST_STEPS
    try {
      worker.postMessage([now(), steps] satisfies Request)
    } catch (error) {
      // Something that cannot be copied to another thread, such as bytes that were given away.
      for (const [id] of steps) settle(id)?.reject(error as Error)
    }
  }

  function flushAtTheEnd(): void {
    flushing = false
    flush()
    enough = FIRST_STEPS
  }

  function settle(id: number): Waiting | undefined {
    const entry = waiting.take(id)
    if (waiting.size === 0) worker.unref()
    return entry
  }

  function send<T>(step: (id: number) => Step): Promise<T> {
    if (ended) return Promise.reject(errorOf(unavailable('The worker of the ledger has ended.').failure))
    return new Promise<T>((resolve, reject) => {
      if (waiting.size === 0) worker.ref()
      outgoing.push(step(waiting.add({ resolve, reject })))
      if (!flushing) {
        flushing = true
        process.nextTick(flushAtTheEnd)
      }
      if (outgoing.length >= enough) flush()
    })
  }

  /** Nobody waits for a worker that is gone. A step that was sent may have been written, one that was not cannot have been. */
  function end(why: string): void {
    ended = true
    broken = true
    const failure: Failure = {
      ...unavailable('').failure,
      applied: 'unknown',
      message: `${why} Whether this step was written is not known: read it again.`,
    }
    for (const { reject } of waiting) reject(errorOf(failure))
    waiting.clear()
    outgoing = []
  }

  worker.on('error', (error: Error) => end(`The worker of the ledger failed (${error.message}).`))
  worker.on('exit', () => end('The worker of the ledger ended.'))
  const gone = new Promise((resolve) => worker.once('exit', resolve))

  const greeting = await new Promise<Greeting>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', (error: Error) =>
      reject(errorOf(unavailable(`The worker of the ledger failed (${error.message}).`).failure)),
    )
    worker.once('exit', () => reject(errorOf(unavailable('The worker of the ledger ended.').failure)))
  })
  if (!greeting.ready) throw errorOf(greeting.failure)
  heard(greeting.now)
  worker.on('message', (replies: Replies) => settleReplies(replies, settle, () => (broken = true)))
  worker.unref()

  async function closed(): Promise<void> {
    try {
      await send((id) => [id, 'close'])
    } catch (error) {
      if (!ended) throw error
    }
  }

  return {
    send,
    file: greeting.file,
    get broken() {
      return broken
    },
    async close() {
      // A worker that is broken has closed its connection and ends by itself; nothing more is to be saved.
      if (!broken) await closed()
      worker.ref()
      await gone
    },
  }
}
