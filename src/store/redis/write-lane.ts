import { late } from './failure.ts'
import type { Item } from './columns.ts'

/** A script holds up the whole server, so that a batch stays well below a millisecond or two of it. */
const MOST_ITEMS = 128
const MOST_BYTES = 1024 * 1024
/** One batch is judged by the server while the next one is put together. */
const MOST_UNDER_WAY = 2
/** So many go out in two halves: with one batch alone, server and callers would wait for each other in turns. */
const WORTH_HALVING = 16

export interface WriteLane<Answer> {
  write(item: Item): Promise<Answer>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

interface Waiting<Answer> {
  readonly item: Item
  readonly since: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

interface Batch<Answer> {
  readonly waiting: readonly Waiting<Answer>[]
  readonly since: number
  late: boolean
}

/**
 * Natural batching: calls of one turn of the event loop, and whatever comes while batches are under way, go out as one
 * script call, each item judged on its own. What waited longer than the deadline before it was sent is never sent.
 * @param send resolves to one answer, or one error, for each item
 * @param gaveUp called when the deadline of a batch is over, before whoever waits is told
 */
export function createWriteLane<Answer>(
  send: (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>,
  deadlineMs: number,
  trouble: () => string | undefined,
  gaveUp: () => void,
): WriteLane<Answer> {
  const underWay = new Set<Batch<Answer>>()
  let queue: Waiting<Answer>[] = []
  let scheduled = false
  let watched = false
  let resting: (() => void)[] = []

  function take(): Waiting<Answer>[] {
    let bytes = 0
    const halved = underWay.size === 0 && queue.length >= WORTH_HALVING
    const most = halved ? Math.min(MOST_ITEMS, Math.ceil(queue.length / 2)) : MOST_ITEMS
    const count = queue.findIndex(({ item }, n) => {
      bytes += item.bytes
      return n > 0 && (n >= most || bytes > MOST_BYTES)
    })
    if (count !== -1) return queue.splice(0, count)
    const all = queue
    queue = []
    return all
  }

  function fresh(batch: readonly Waiting<Answer>[], now: number): readonly Waiting<Answer>[] {
    const oldest = now - deadlineMs
    if (batch.every(({ since }) => since > oldest)) return batch
    for (const { since, reject } of batch) if (since <= oldest) reject(late(deadlineMs, 'no', trouble()))
    return batch.filter(({ since }) => since > oldest)
  }

  /** One timer for all batches, which goes on by itself: setting and clearing one for each costs every call. */
  function watch(ms: number): void {
    watched = true
    setTimeout(() => {
      watched = false
      const now = performance.now()
      let next = Infinity
      for (const batch of underWay) {
        const left = batch.since + deadlineMs - now
        if (left <= 0) {
          gaveUp()
          fail(batch, late(deadlineMs, 'unknown', trouble()))
        } else next = Math.min(next, left)
      }
      if (next !== Infinity) watch(next)
      pump()
    }, Math.ceil(ms)).unref()
  }

  function fail(batch: Batch<Answer>, error: unknown): void {
    batch.late = true
    underWay.delete(batch)
    for (const { reject } of batch.waiting) reject(error)
  }

  function settle({ waiting }: Batch<Answer>, answers: readonly (Answer | Error)[]): void {
    for (const [n, { resolve, reject }] of waiting.entries()) {
      const answer = answers[n]
      if (answer === undefined || answer instanceof Error) reject(answer ?? new Error('the answer has no such item'))
      else resolve(answer)
    }
  }

  function carry(batch: Batch<Answer>): void {
    underWay.add(batch)
    if (!watched) watch(deadlineMs)
    send(batch.waiting.map(({ item }) => item)).then(
      (answers) => {
        if (batch.late) return
        underWay.delete(batch)
        settle(batch, answers)
        pump()
      },
      (error: unknown) => {
        if (batch.late) return
        fail(batch, error)
        pump()
      },
    )
  }

  function pump(): void {
    scheduled = false
    while (queue.length > 0 && underWay.size < MOST_UNDER_WAY) {
      const now = performance.now()
      const waiting = fresh(take(), now)
      if (waiting.length > 0) carry({ waiting, since: now, late: false })
    }
    if (queue.length > 0 || underWay.size > 0) return
    for (const rested of resting) rested()
    resting = []
  }

  return {
    write: (item) =>
      new Promise<Answer>((resolve, reject) => {
        queue.push({ item, since: performance.now(), resolve, reject })
        if (scheduled || underWay.size >= MOST_UNDER_WAY) return
        scheduled = true
        process.nextTick(pump)
      }),
    idle: () =>
      new Promise<void>((resolve) => {
        if (queue.length === 0 && underWay.size === 0) resolve()
        else resting.push(resolve)
      }),
  }
}
