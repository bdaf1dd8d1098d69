import type { Ledger } from './ledger.ts'
import { COMMITS_BEFORE_ROOM } from './log-room.ts'
import { createReminder } from './reminder.ts'
import { settleReplies, type Waiting } from './replies.ts'
import type { Step, WriteStep } from './wire.ts'

/** Writes on the caller's thread. */
export interface Direct {
  send<T>(step: (id: number) => WriteStep): Promise<T>
  /** After what was sent in this turn. */
  close(): void
}

export interface DirectOptions {
  /** A writing connection of this thread that never waits for another one's lock. */
  readonly ledger: Ledger
  /** The store time of this thread, below which the ledger must not answer. */
  readonly now: () => number
  /** What is not for this thread goes there. */
  readonly toWorker: <T>(step: (id: number) => Step) => Promise<T>
  /** Called once, when the connection is not to be used any more. */
  readonly broke: () => void
}

/** More steps at once are the worker's: it makes them while this thread goes on. */
const FEW = 4
/** A commit that takes longer shows a disk, or a neighbour, for whom this thread shall not stand still. */
const QUICK_MS = 2
/**
 * How long it then leaves writes to the worker; twice as long each time, as long as commits are slow. Short at first: on
 * most disks a slow commit is one of hundreds.
 */
const SHORTEST_REST_MS = 100
const LONGEST_REST_MS = 60_000
/**
 * A step writes three or four pages; so many make about as many as SQLite itself lets gather before it folds them into
 * the file, which is the worker's work.
 */
const STEPS_BETWEEN_CHECKPOINTS = 250

const nothing = (): void => {}

interface Queued extends Waiting {
  readonly step: (id: number) => WriteStep
}

/**
 * Writes without a change of threads, while they are few and the disk is quick: the steps of one turn of the event loop
 * in one transaction, right after it. Whatever could hold up this thread is handed to the worker: many steps, another
 * connection's lock, a slow disk, folding the log into the file.
 */
export function createDirect({ ledger, now, toWorker, broke }: DirectOptions): Direct {
  let queue: Queued[] = []
  let handedOver = 0
  let restUntil = 0
  let restMs = SHORTEST_REST_MS
  let commits = 0
  let stepsInLog = 0
  let usable = true
  const reminder = createReminder(ledger)

  function handOver(steps: readonly Queued[]): void {
    for (const { step, resolve, reject } of steps) {
      handedOver += 1
      void toWorker<never>(step)
        .then(resolve, reject)
        .finally(() => (handedOver -= 1))
    }
  }

  function flush(): void {
    if (queue.length === 0) return
    const steps = queue
    queue = []
    const begun = performance.now()
    // Behind others of this process a write would only meet their lock.
    if (!usable || steps.length > FEW || handedOver > 0 || begun < restUntil) return handOver(steps)
    ledger.clock.raise(now())
    const outcome = ledger.write(
      steps.map(({ step }, n) => step(n)),
      () => [],
    )
    if (outcome === 'busy') return handOver(steps)
    const ms = performance.now() - begun
    if (ms <= QUICK_MS) restMs = SHORTEST_REST_MS
    else {
      restUntil = begun + ms + restMs
      restMs = Math.min(restMs * 2, LONGEST_REST_MS)
    }
    for (const replies of outcome.replies) settleReplies(replies, (id) => steps[id], nothing)
    if (outcome.broken) return end()
    keepUp(steps.length)
  }

  /** The side file, the log's size, and its way into the file. */
  function keepUp(steps: number): void {
    reminder.acknowledged()
    commits += 1
    if (commits === COMMITS_BEFORE_ROOM) errand('make-room')
    stepsInLog += steps
    if (stepsInLog < STEPS_BETWEEN_CHECKPOINTS) return
    stepsInLog = 0
    errand('checkpoint')
  }

  /** The worker is started anew by the next step if it has ended; the log can wait for it. */
  function errand(verb: 'make-room' | 'checkpoint'): void {
    toWorker((id) => [id, verb]).catch(() => undefined)
  }

  function end(): void {
    close()
    broke()
  }

  function close(): void {
    if (!usable) return
    flush()
    usable = false
    reminder.stop()
    try {
      ledger.close()
    } catch {
      // What is wrong with it, the worker tells.
    }
  }

  return {
    send: (step) =>
      new Promise((resolve, reject) => {
        queue.push({ step, resolve, reject })
        if (queue.length === 1) process.nextTick(flush)
      }),
    close,
  }
}
