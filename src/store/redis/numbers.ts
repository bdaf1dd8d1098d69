import { randomUUID } from 'node:crypto'

/** What this process remembers of the ledger's numbers, by which it notices a loss of records (protocol.md, amnesia). */
export interface Numbers {
  /** The name under which every partition keeps the last number that this process wrote. */
  readonly writer: string
  /** The highest number that was answered from anywhere. */
  highest(): number
  saw(number: number): void
  /** The ledger's clock was seen at `ms`. */
  sawTime(ms: number): void
  /** What the clock has to be past for this process not to see it go back. */
  past(): string
  /** What this process was last acknowledged by a partition. */
  acked(partition: number): number
  acknowledge(partition: number, number: number): void
  /**
   * The sequence to tell the engine: `number`, or 0 while the ledger has forgotten something that this process was
   * acknowledged. Numbers that others gave out since hide a loss from a comparison of heights; a writer's own does not.
   * @param acked what this process had been acknowledged when it asked
   * @param known what the ledger has of it
   */
  told(acked: number, known: number, number: number): number
  /** The engine has marked the loss for everybody. */
  marked(): void
}

export function createNumbers(): Numbers {
  const acked = new Map<number, number>()
  let highest = 0
  let latestMs = 0
  let lost = false

  const saw = (number: number): void => {
    if (number > highest) highest = number
  }

  return {
    writer: randomUUID(),
    highest: () => highest,
    saw,
    sawTime(ms) {
      if (ms > latestMs) latestMs = ms
    },
    past: () => String(Math.max(highest, latestMs * 1000)),
    acked: (partition) => acked.get(partition) ?? 0,
    acknowledge(partition, number) {
      if (number > (acked.get(partition) ?? 0)) acked.set(partition, number)
      saw(number)
    },
    told(before, known, number) {
      if (known < before) lost = true
      return lost ? 0 : number
    },
    marked() {
      lost = false
    },
  }
}
