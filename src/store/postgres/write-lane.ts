import type { Item, Row } from './columns.ts'
import { wasRefused } from './failure.ts'

/** A batch is judged within one round trip and one commit; more would only make its members wait for each other. */
const MOST_ITEMS = 256
/** Fewer are not divided among trips: a commit of their own would cost more than it saves. */
const FEW_ITEMS = 16
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
 * Natural batching: whatever comes while trips are under way goes out with the next, each item judged on its own. Calls
 * of one turn of the event loop go together from the start. With two trips at a time the server judges one batch while
 * this process makes the other, and one waits for the disk while the other is judged.
 * @param send carries items out; rows name their item by `place`
 * @param most trips at a time
 */
export function createWriteLane(send: (items: readonly Item[]) => Promise<readonly Row[]>, most: number): WriteLane {
  let queue: Waiting[] = []
  let gathering = false
  const trips = new Set<Promise<void>>()

  /** In the order of keys, in which every process takes its locks. */
  function take(): Waiting[] {
    const share = Math.max(FEW_ITEMS, Math.ceil(queue.length / (most - trips.size)))
    let bytes = 0
    const count = queue.findIndex(({ item }, n) => {
      bytes += item.body?.length ?? 0
      return n > 0 && (n >= share || n >= MOST_ITEMS || bytes > MOST_BYTES)
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

  function start(): void {
    gathering = false
    while (queue.length > 0 && trips.size < most) {
      const trip: Promise<void> = carry(take()).then(() => {
        trips.delete(trip)
        start()
      })
      trips.add(trip)
    }
  }

  return {
    write: (item) =>
      new Promise<Row>((resolve, reject) => {
        queue.push({ item, resolve, reject })
        if (gathering || trips.size === most) return
        gathering = true
        // One turn later, so that calls made side by side are one batch.
        process.nextTick(start)
      }),
    idle: async () => {
      if (gathering) await new Promise<void>((resolve) => process.nextTick(resolve))
      while (trips.size > 0) await Promise.race(trips)
    },
  }
}
