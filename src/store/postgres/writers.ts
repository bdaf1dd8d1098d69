import { randomUUID } from 'node:crypto'
import type { Row } from './columns.ts'

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
  /** What all of them were acknowledged until now, the given one first. */
  remembered(writer: Writer): readonly Readonly<Writer>[]
  /**
   * The sequence to answer for one write: its number; for a conflict (0) the highest known; and where the ledger has
   * forgotten what a writer wrote, the number that it still has, which is too low for anybody who remembers.
   * @param lost what the ledger has of a writer that was acknowledged more; null where it has everything
   */
  answered(writer: Writer, step: { readonly lost: number | null; readonly number: number }): number
  /** The highest number ever answered. */
  highest(): number
  seen(number: number): void
  ids(): readonly string[]
}

/** What a row of the answer says of its step. */
export const stepOf = (row: Row): { readonly lost: number | null; readonly number: number } => ({
  lost: row['lost'] === null ? null : Number(row['lost']),
  number: Number(row['number']),
})

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
    remembered: (writer) => [writer, ...all.filter((other) => other !== writer)].map((one) => ({ ...one })),
    answered(writer, { lost, number }) {
      writer.acked = Math.max(writer.acked, number)
      if (lost !== null) return lost
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
