import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

const NAME = /^answers-(\d+)-([^-]+)-[0-9a-f]+\.spool$/

/** A new file's name, which says whose it is: process id and the process's start. */
export function newSpoolName(): string {
  return `answers-${process.pid}-${startOf(process.pid) ?? 'x'}-${randomBytes(6).toString('hex')}.spool`
}

/** True for a spool file. */
export function isSpoolName(name: string): boolean {
  return NAME.test(name)
}

/**
 * True when the process that wrote the file has ended, as far as this one can see, or when it is this one and works on it
 * no longer. Another container's process may look dead from here, and another thread's spool closed; taking its file over
 * does no harm, since an owner looks after every append whether the file is still its own.
 */
export function ownerIsGone(name: string, inUse: ReadonlySet<string>): boolean {
  const [, pid, start] = NAME.exec(name) ?? []
  if (pid === undefined) return false
  if (Number(pid) === process.pid && start === (startOf(process.pid) ?? 'x')) return !inUse.has(name)
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const now = startOf(Number(pid))
  return now !== undefined && start !== 'x' && now !== start
}

/** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). Undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
