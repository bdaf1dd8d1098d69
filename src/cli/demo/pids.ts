import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Notes this process and its parent in `file`, so that the demonstration can make sure that neither outlives it. */
export function leavePid(file: string | undefined): void {
  if (file !== undefined && file !== '') appendFileSync(file, `${process.pid}\n${process.ppid}\n`)
}

const GRACE_MS = 3_000

/** Waits until every process noted in `file` has ended, and ends those that have not by then. Never this process. */
export async function ended(file: string): Promise<void> {
  if (!existsSync(file)) return
  const noted = new Set(readFileSync(file, 'utf8').split('\n').map(Number))
  const left = (): readonly number[] => [...noted].filter((pid) => pid > 1 && pid !== process.pid && isAlive(pid))
  for (const from = Date.now(); left().length > 0 && Date.now() - from < GRACE_MS;) await delay(20)
  for (const pid of left()) process.kill(pid, 'SIGKILL')
}

/** True while a process of that id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
