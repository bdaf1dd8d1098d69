import { randomUUID } from 'node:crypto'

/** What this process remembers of the ledger's numbers, by which it notices a loss of records (protocol.md, amnesia). */
export interface Numbers {
  /** The name under which every partition keeps the last number that this process wrote, until it is {@link renew}ed. */
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
  acknowledge(by: string, partition: number, number: number): void
  /**
   * The sequence to tell the engine: `number`, or 0 while the ledger has forgotten something that this process was
   * acknowledged. Numbers that others gave out since hide a loss from a comparison of heights; a writer's own does not.
   * @param by the writer that asked: what is answered to an earlier one counts for nothing
   * @param acked what this process had been acknowledged when it asked
   * @param known what the ledger has of it
   */
  told(by: string, acked: number, known: number, number: number): number
  /** The engine has marked the loss for everybody. */
  marked(): void
  /** The writer has ended, and the ledger forgets it: whoever opens the store again begins as another one. */
  renew(): void
}

export function createNumbers(): Numbers {
  const acked = new Map<number, number>()
  let writer = randomUUID()
  let highest = 0
  let latestMs = 0
  let lost = false

  const saw = (number: number): void => {
    if (number > highest) highest = number
  }

  return {
    get writer() {
      return writer
    },
    highest: () => highest,
    saw,
    sawTime(ms) {
      if (ms > latestMs) latestMs = ms
    },
    past: () => String(Math.max(highest, latestMs * 1000)),
    acked: (partition) => acked.get(partition) ?? 0,
    acknowledge(by, partition, number) {
      if (by === writer && number > (acked.get(partition) ?? 0)) acked.set(partition, number)
      saw(number)
    },
    told(by, before, known, number) {
      if (by === writer && known < before) lost = true
      return lost ? 0 : number
    },
    marked() {
      lost = false
    },
    renew() {
      writer = randomUUID()
      acked.clear()
    },
  }
}
