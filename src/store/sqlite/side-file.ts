import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import type { AmnesiaMark } from '../../engine/index.ts'

/** What is remembered beside the ledger, in `<path>.seq`: that it existed, and how far it had come. */
export interface Remembered {
  readonly id: string
  readonly sequence: number
  /** Store time at which the ledger was created. */
  readonly createdAt: number
}

/** What the ledger itself says. */
export interface Present extends Remembered {
  /** The last store time in it. */
  readonly clock: number
}

/** The remembered line, or undefined where there is none that can be read: no memory is no evidence of a loss. */
export function readSideFile(path: string): Remembered | undefined {
  try {
    const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<Remembered>
    if (typeof found.id !== 'string' || typeof found.sequence !== 'number' || typeof found.createdAt !== 'number')
      return undefined
    return { id: found.id, sequence: found.sequence, createdAt: found.createdAt }
  } catch {
    return undefined
  }
}

/** Replaces the line as a whole. Not synced: it may lag behind the ledger, never run ahead of it. */
export function writeSideFile(path: string, remembered: Remembered): void {
  const temporary = `${path}.${process.pid}-${threadId}`
  writeFileSync(temporary, `${JSON.stringify(remembered)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

/** The mark to set when records that were once acknowledged are gone (protocol.md section 8, amnesia). */
export function lossOf(remembered: Remembered | undefined, present: Present, now: number): AmnesiaMark | undefined {
  if (remembered === undefined) return undefined
  if (remembered.id !== present.id) {
    if (remembered.sequence === 0) return undefined
    return {
      at: now,
      lossFrom: remembered.createdAt,
      why:
        `the ledger was replaced: another one (${remembered.id}) with ${remembered.sequence} steps lay here before. ` +
        'If it was thrown away on purpose, lift the mark',
    }
  }
  if (present.sequence >= remembered.sequence) return undefined
  return {
    at: now,
    lossFrom: present.clock,
    why: `the ledger ends at step ${present.sequence}, but step ${remembered.sequence} was acknowledged: an older copy was put back`,
  }
}
