import { within } from './deadline.ts'
import { late } from './failure.ts'
import type { Item } from './columns.ts'

/** A script holds up the whole server, so that a batch stays well below a millisecond or two of it. */
const MOST_ITEMS = 128
const MOST_BYTES = 1024 * 1024
/** One batch is judged by the server while the next one is put together. */
const MOST_UNDER_WAY = 2
/** So many go out in two halves: with one batch alone, server and callers would wait for each other in turns. */
const WORTH_HALVING = 16

/** What the script answered for one item. */
export type ItemAnswer<Shared> = Shared & { readonly number: number; readonly rest: unknown }

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

/**
 * Natural batching: calls of one turn of the event loop, and whatever comes while batches are under way, go out as one
 * script call, each item judged on its own. What waited longer than the deadline before it was sent is never sent.
 * @param send resolves to one answer, or one error, for each item
 */
export function createWriteLane<Answer>(
  send: (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>,
  deadlineMs: number,
  trouble: () => string | undefined,
): WriteLane<Answer> {
  let queue: Waiting<Answer>[] = []
  let underWay = 0
  let scheduled = false
  let resting: (() => void)[] = []

  function take(): Waiting<Answer>[] {
    let bytes = 0
    const halved = underWay === 0 && queue.length >= WORTH_HALVING
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

  function fresh(batch: readonly Waiting<Answer>[]): readonly Waiting<Answer>[] {
    const oldest = performance.now() - deadlineMs
    if (batch.every(({ since }) => since > oldest)) return batch
    for (const { since, reject } of batch) if (since <= oldest) reject(late(deadlineMs, 'no', trouble()))
    return batch.filter(({ since }) => since > oldest)
  }

  async function carry(batch: readonly Waiting<Answer>[]): Promise<void> {
    try {
      const items = batch.map(({ item }) => item)
      const answers = await within(deadlineMs, send(items), () => late(deadlineMs, 'unknown', trouble()))
      for (const [n, { resolve, reject }] of batch.entries()) {
        const answer = answers[n]
        if (answer === undefined || answer instanceof Error) reject(answer ?? new Error('the answer has no such item'))
        else resolve(answer)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  function pump(): void {
    scheduled = false
    while (queue.length > 0 && underWay < MOST_UNDER_WAY) {
      const batch = fresh(take())
      if (batch.length === 0) continue
      underWay += 1
      void carry(batch).finally(() => {
        underWay -= 1
        pump()
      })
    }
    if (queue.length > 0 || underWay > 0) return
    for (const rested of resting) rested()
    resting = []
  }

  return {
    write: (item) =>
      new Promise<Answer>((resolve, reject) => {
        queue.push({ item, since: performance.now(), resolve, reject })
        if (scheduled || underWay >= MOST_UNDER_WAY) return
        scheduled = true
        process.nextTick(pump)
      }),
    idle: () =>
      new Promise<void>((resolve) => {
        if (queue.length === 0 && underWay === 0) resolve()
        else resting.push(resolve)
      }),
  }
}
