import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Processes } from '../engine/index.ts'
import { bootId } from './clock.ts'

/**
 * Process names of the form `host/boot/pid/start`. A process of this host is dead when the machine has booted since, when
 * its pid is free, or when the pid now belongs to a process that started at another time. Of other hosts nothing is known.
 */
export function systemProcesses(): Processes {
  const boot = bootId()
  const host = hostname().replaceAll('/', '_')
  const self = `${host}/${boot}/${process.pid}/${startOf(process.pid) ?? '?'}`
  return {
    self,
    isDead: (owner) => {
      const [ownerHost, ownerBoot, pid, start] = owner.split('/')
      if (ownerHost !== host || ownerBoot === undefined || pid === undefined || start === undefined) return false
      if (ownerBoot !== boot) return true
      if (owner === self) return false
      const number = Number(pid)
      if (!Number.isSafeInteger(number) || number <= 0) return false
      if (!exists(number)) return true
      const now = startOf(number)
      return now !== undefined && start !== '?' && now !== start
    },
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). Undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field, the command in parentheses, may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
