import { readFileSync, realpathSync, statSync } from 'node:fs'
import { unsafe } from './failure.ts'

/**
 * SQLite keeps the log and the locks beside the name that a file is opened by. Under two names, as a hard link or a mount
 * of the file alone makes them, two processes would see two ledgers in one file, and each would run what the other has
 * done; behind such a mount the log also ends with its container. Symbolic links are followed first, so they are sound.
 * @throws FailureError STORE_UNSAFE
 */
export function assertOneName(path: string): void {
  const found = namesOf(path)
  if (found === undefined) return
  if (found.links > 1)
    throw unsafe(
      `The ledger ${path} has ${found.links} names (hard links), and SQLite keeps a log for each: two processes could not see each other's steps. Remove the other names; where they are copies, make real ones.`,
    )
  if (found.isMounted)
    throw unsafe(
      `The ledger ${path} is mounted as a single file, so that its log stays behind in the container, and other containers do not see it: mount its directory instead.`,
    )
}

function namesOf(path: string): { readonly links: number; readonly isMounted: boolean } | undefined {
  try {
    const status = statSync(path)
    if (!status.isFile()) return undefined
    return { links: status.nlink, isMounted: mountPoints().has(realpathSync(path)) }
  } catch {
    // What is wrong with the path, SQLite says.
    return undefined
  }
}

/** Linux tells; elsewhere nothing is known. Blanks and backslashes are octal there (proc_pid_mountinfo(5)). */
function mountPoints(): ReadonlySet<string> {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    return new Set(lines.map((line) => unescaped(line.split(' ')[4] ?? '')))
  } catch {
    return new Set()
  }
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
