import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Processes } from '../engine/index.ts'
import { bootId, isWorkedOut } from './clock.ts'

/**
 * Process names of the form `host/boot/pid/start`; `boot` also tells containers of one machine apart, since each counts
 * its own pids. A process is dead when its pid is free, or belongs to a process that started at another time. Of other
 * machines and other containers nothing is known. Several may bear one host name (Cloud Run calls all of them
 * `localhost`), so the name alone proves no more than that a ledger on this machine's disk was in use before it booted, or
 * the container was started, last.
 */
export function systemProcesses(): Processes {
  const boot = `${bootId()}${pidNamespace()}`
  const host = hostname().replaceAll('/', '_')
  const self = `${host}/${boot}/${process.pid}/${startOf(process.pid) ?? '?'}`
  return {
    self,
    isDead: (owner, isLocal) => {
      const [ownerHost, ownerBoot, pid, start] = owner.split('/')
      if (ownerHost !== host || ownerBoot === undefined || pid === undefined || start === undefined) return false
      if (ownerBoot !== boot) return isLocal && isOver(ownerBoot, boot, Number(pid), start)
      if (owner === self) return false
      return isGone(Number(pid), start)
    },
  }
}

/** For a ledger that only this machine uses: whether an owner of another boot, or another container, is of the past. */
const isOver = (ownerBoot: string, boot: string, pid: number, start: string): boolean =>
  isAnotherBoot(withoutNamespace(ownerBoot), withoutNamespace(boot)) || isGone(pid, start)

/** Two that were worked out from the clock may be of one boot: it is set, and lies near the edge of a step for some. */
const isAnotherBoot = (one: string, other: string): boolean => one !== other && !isWorkedOut(one) && !isWorkedOut(other)

const withoutNamespace = (boot: string): string => boot.replace(/\+.*$/, '')

function isGone(pid: number, start: string): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  if (!exists(pid)) return true
  const now = startOf(pid)
  return now !== undefined && start !== '?' && now !== start
}

/** What tells one container's pids from another's (pid_namespaces(7)); nothing outside of containers, or of Linux. */
function pidNamespace(): string {
  try {
    const [number] = /\d+/.exec(readlinkSync('/proc/self/ns/pid')) ?? []
    return number === undefined || number === FIRST_NAMESPACE ? '' : `+${number}`
  } catch {
    return ''
  }
}

/** The kernel's own, PROC_PID_INIT_INO. */
const FIRST_NAMESPACE = '4026531836'

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
