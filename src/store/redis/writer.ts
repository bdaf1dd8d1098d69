import type { Item } from './columns.ts'
import type { Driver } from './driver.ts'
import type { Numbers } from './numbers.ts'
import type { Partitions } from './partitions.ts'
import { behind, type Replication } from './replication.ts'
import { script } from './script.ts'
import { createWriteLane, type WriteLane } from './write-lane.ts'
import { WRITE } from './write.lua.ts'

/** What became of one item. */
export interface Judged {
  readonly now: number
  readonly sequence: number
  readonly amnesiaAt: number
  /** The item's number when it was applied. */
  readonly number: number
  /** The lease before it. */
  readonly lease: number
  /** The record as it is when the item was refused, '' for none; undefined when it was applied. */
  readonly stored: string | undefined
}

export interface Writer {
  write(item: Item): Promise<Judged>
  idle(): Promise<void>
}

interface WriterOptions {
  readonly driver: Driver
  readonly prefix: string
  readonly partitions: Partitions
  readonly numbers: Numbers
  readonly replication: Replication
  readonly deadlineMs: number
}

/** What was sent, and by whom, who had been acknowledged what. */
interface Asked {
  readonly partition: number
  readonly by: string
  readonly acked: number
  readonly items: readonly Item[]
}

const writeScript = script(WRITE)
const KEYS = ['m', 'a', 'o', 'c'] as const
const SHARED = 4
/** Where an item's number would stand: its record was there once. */
const DELETED = -2

/** Writes items, those of one partition together. */
export function createWriter({ driver, prefix, partitions, numbers, replication, deadlineMs }: WriterOptions): Writer {
  const lanes = new Map<number, WriteLane<Judged>>()

  function laneOf(partition: number): WriteLane<Judged> {
    const known = lanes.get(partition)
    if (known !== undefined) return known
    const lane = createWriteLane<Judged>((items) => send(partition, items), deadlineMs, driver.trouble, gaveUp)
    lanes.set(partition, lane)
    return lane
  }

  /** Whoever reads again may be answered before it is known how many replicas have the step. */
  function gaveUp(): void {
    if (replication.needed() > 0) replication.fellShort()
  }

  async function send(partition: number, items: readonly Item[]): Promise<readonly (Judged | Error)[]> {
    const settling = replication.settled()
    if (settling !== undefined) await settling
    const asked: Asked = { partition, by: numbers.writer, acked: numbers.acked(partition), items }
    const args = [partitions.base(partition), asked.by, numbers.past(), `${prefix}!`, String(asked.acked)]
    for (const item of items) args.push(...item.args)
    const needed = replication.needed()
    if (needed === 0 || items.every(({ resendable }) => resendable)) {
      return read(asked, (await partitions.run(partition, writeScript, KEYS, args)) as unknown[])
    }
    try {
      const [answer, replicas] = await partitions.runWith(
        (parts) => driver.commandAndWait(parts, needed, replication.timeoutMs),
        partition,
        writeScript,
        KEYS,
        args,
      )
      const judged = read(asked, answer as unknown[])
      if (replicas >= needed) return judged
      replication.fellShort()
      return judged.map((each, n) => (items[n]?.resendable === true ? each : behind(replicas, needed)))
    } catch (error) {
      replication.fellShort()
      throw error
    }
  }

  function read({ partition, by, acked, items }: Asked, answer: readonly unknown[]): Judged[] {
    const [now, highest, amnesiaAt, known] = answer as [number, number, number, number]
    numbers.saw(highest)
    numbers.sawTime(now)
    const judged = items.map((_, n): Judged => {
      const number = answer[SHARED + 2 * n] as number
      const rest = answer[SHARED + 2 * n + 1]
      if (number < 0) {
        const sequence = number === DELETED ? 0 : numbers.highest()
        return { now, amnesiaAt, sequence, number: 0, lease: 0, stored: rest as string }
      }
      numbers.acknowledge(by, partition, number)
      return { now, amnesiaAt, sequence: number, number, lease: rest as number, stored: undefined }
    })
    if (numbers.told(by, acked, known, 1) === 1) return judged
    return judged.map((each) => ({ ...each, sequence: 0 }))
  }

  return {
    write: (item) => laneOf(partitions.of(item.member)).write(item),
    async idle() {
      await Promise.all(Array.from(lanes.values(), (lane) => lane.idle()))
    },
  }
}
