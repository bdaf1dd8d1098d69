import type { Driver } from './driver.ts'
import { OnefoldError } from '../../error/index.ts'

/**
 * Steps that must not be lost by a fail-over are on every replica before they count. A step that fell short is in the
 * ledger all the same, so that whoever reads it again would take it for acknowledged: until the replicas have caught up,
 * this process reads nothing.
 */
export interface Replication {
  /** Replicas that were seen. */
  saw(replicas: number): void
  /** How many must have a step. */
  needed(): number
  readonly timeoutMs: number
  /** A step fell short, or nobody knows. */
  fellShort(): void
  /** Resolves when everything that this process wrote is on the replicas. @throws OnefoldError STORE_UNAVAILABLE */
  settled(): Promise<void> | undefined
}

export function createReplication(driver: Driver, meta: string, least: number, deadlineMs: number): Replication {
  const timeoutMs = Math.ceil(deadlineMs / 2)
  let needed = least
  let short = false
  let catchingUp: Promise<void> | undefined

  /** A write of its own: WAIT waits for what was written before it on the same connection, and that one may be new. */
  async function catchUp(): Promise<void> {
    const [, replicas] = await driver.commandAndWait(['HINCRBY', meta, 'synced', '1'], needed, timeoutMs)
    if (replicas < needed) throw behind(replicas, needed)
    short = false
  }

  return {
    saw(replicas) {
      if (!driver.cluster && replicas > needed) needed = replicas
    },
    needed: () => (driver.cluster ? 0 : needed),
    timeoutMs,
    fellShort() {
      short = true
    },
    settled: () => {
      if (!short) return undefined
      catchingUp ??= catchUp().finally(() => {
        catchingUp = undefined
      })
      return catchingUp
    },
  }
}

export const behind = (replicas: number, needed: number): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `Only ${replicas} of ${needed} replicas of the Redis ledger have this step, and a fail-over could lose it. Whether it will stand is not known: bring the replica back, or start with fewer.`,
    { retryable: true, details: { applied: 'unknown', replicas, needed } },
  )
