import { mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
const PLENTY_BYTES = 4 * 2 ** 30

/**
 * A fresh folder for a server's files: in memory where there is plenty of it. Tests kill servers, they cut no power, and
 * a sync that costs nothing takes minutes off a run.
 */
export function serverFolder(prefix: string): string {
  return mkdtempSync(join(hasMemory() ? MEMORY : tmpdir(), prefix))
}

function hasMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize >= PLENTY_BYTES
  } catch {
    return false
  }
}
