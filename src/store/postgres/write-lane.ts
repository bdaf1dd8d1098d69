import type { Item, Row } from './columns.ts'
import { wasRefused } from './failure.ts'

/** A batch is judged within one round trip and one commit; more would only make its members wait for each other. */
const MOST_ITEMS = 256
const MOST_BYTES = 4 * 1024 * 1024

export interface WriteLane {
  /** Resolves with the item's row of the answer. */
  write(item: Item): Promise<Row>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

interface Waiting {
  readonly item: Item
  readonly resolve: (row: Row) => void
  readonly reject: (error: unknown) => void
}

const order = (one: Item, other: Item): number =>
  one.key === other.key ? compare(one.tenant, other.tenant) : compare(one.key, other.key)
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/**
 * Natural batching: one round trip at a time, and whatever comes while it is under way goes out with the next, each item
 * judged on its own. Calls of one turn of the event loop go together from the start.
 * @param send carries items out; rows name their item by `place`
 */
export function createWriteLane(send: (items: readonly Item[]) => Promise<readonly Row[]>): WriteLane {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined

  /** In the order of keys, in which every process takes its locks; writes on one key stay in the order of the calls. */
  function take(): Waiting[] {
    let bytes = 0
    const count = queue.findIndex(({ item }, n) => {
      bytes += item.body?.length ?? 0
      return n > 0 && (n >= MOST_ITEMS || bytes > MOST_BYTES)
    })
    const batch = queue.splice(0, count === -1 ? queue.length : count)
    return batch.length === 1 ? batch : batch.sort(({ item: one }, { item: other }) => order(one, other))
  }

  async function carry(batch: readonly Waiting[]): Promise<void> {
    try {
      const rows = await send(batch.map(({ item }) => item))
      for (const row of rows) batch[Number(row['place'])]?.resolve(row)
      // Nobody may wait for ever for a row that did not come.
      for (const { reject } of batch) reject(new Error('the answer of the ledger has no row for this write'))
    } catch (error) {
      // The server undid the whole batch for the sake of one item: the others are innocent.
      if (batch.length > 1 && wasRefused(error)) for (const one of batch) await carry([one])
      else for (const { reject } of batch) reject(error)
    }
  }

  async function run(): Promise<void> {
    // One turn later, so that calls made side by side are one batch.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    while (queue.length > 0) await carry(take())
    running = undefined
  }

  return {
    write: (item) =>
      new Promise<Row>((resolve, reject) => {
        queue.push({ item, resolve, reject })
        running ??= run()
      }),
    idle: async () => {
      while (running !== undefined) await running
    },
  }
}
