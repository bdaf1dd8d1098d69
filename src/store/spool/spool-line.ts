import { hash } from 'node:crypto'
import type { SpoolEntry } from '../../engine/index.ts'

const DIGEST_LENGTH = 16
const NEWLINE = 0x0a

const digestOf = (text: string): string => hash('sha256', text).slice(0, DIGEST_LENGTH)

/** One entry as a line: a digest of the text, a space, the entry as JSON, a newline. */
export function toLine(entry: SpoolEntry): Buffer {
  const text = JSON.stringify(entry)
  return Buffer.from(`${digestOf(text)} ${text}\n`, 'utf8')
}

/**
 * The entries of a file. Reserved space is zeros and ends it; a torn line, which was never acknowledged, is passed over.
 */
export function readLines(bytes: Buffer): SpoolEntry[] {
  const end = bytes.indexOf(0)
  const written = end === -1 ? bytes : bytes.subarray(0, end)
  const entries: SpoolEntry[] = []
  for (let from = 0; from < written.length;) {
    const to = written.indexOf(NEWLINE, from)
    if (to === -1) break
    const entry = entryOf(written.toString('utf8', from, to))
    if (entry !== undefined) entries.push(entry)
    from = to + 1
  }
  return entries
}

function entryOf(line: string): SpoolEntry | undefined {
  const text = line.slice(DIGEST_LENGTH + 1)
  if (line.slice(0, DIGEST_LENGTH) !== digestOf(text)) return undefined
  return JSON.parse(text) as SpoolEntry
}
