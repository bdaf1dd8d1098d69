import { randomUUID } from 'node:crypto'

/** One that writes, with at most one step under way; its row in `writers` holds the number of its last one. */
export interface Writer {
  readonly id: string
  /** The highest number that it was acknowledged. */
  acked: number
}

/** What this process knows of the ledger's numbers, by which it notices a loss of records (protocol.md, amnesia). */
export interface Writers {
  borrow(): Writer
  giveBack(writer: Writer): void
  /**
   * The sequence to answer for one write: its number; for a conflict (0) the highest known; and where the ledger has
   * forgotten what this writer wrote, the number that it still has, which is too low for anybody who remembers.
   * @param acked what the writer had been acknowledged when it asked
   * @param known what the ledger has of it
   */
  answered(writer: Writer, step: { readonly acked: number; readonly known: number; readonly number: number }): number
  /** The highest number ever answered. */
  highest(): number
  seen(number: number): void
  ids(): readonly string[]
}

export function createWriters(): Writers {
  const free: Writer[] = []
  const all: Writer[] = []
  let highest = 0

  return {
    borrow() {
      const known = free.pop()
      if (known !== undefined) return known
      const writer: Writer = { id: randomUUID(), acked: 0 }
      all.push(writer)
      return writer
    },
    giveBack: (writer) => void free.push(writer),
    answered(writer, { acked, known, number }) {
      writer.acked = Math.max(writer.acked, number)
      if (known < acked) return known
      if (number === 0) return highest
      highest = Math.max(highest, number)
      return number
    },
    highest: () => highest,
    seen(number) {
      highest = Math.max(highest, number)
    },
    ids: () => all.map(({ id }) => id),
  }
}
