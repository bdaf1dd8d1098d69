import { withDefaults } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'

/** The engine's times and limits: protocol.md section 9. Milliseconds and bytes. */
export interface Settings {
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** Between the marker and the first byte. */
  readonly sendGraceMs: number
  /** Q: a request that passed its last check lands within it, or never (A2). */
  readonly quarantineMs: number
  /** m of A3: subtracted from a downstream's window; at least Q. */
  readonly windowMarginMs: number
  /** How long a duplicate waits for the original's answer. */
  readonly waitMs: number
  /** How long the caller of an operation may take to answer its downstream's question (T19). */
  readonly questionMs: number
  readonly sweepMs: number
  readonly storeDeadlineMs: number
  readonly inlineResultBytes: number
  readonly maxInputBytes: number
  readonly recoveryBackoffMs: number
  /**
   * The longest pause between two recoveries of one doubt. Longer than the quarantine, which each re-run begins anew: a
   * person's "not done" has its turn in between.
   */
  readonly maxRecoveryBackoffMs: number
  /** How long a repeat may be answered by this process alone, without a look at a ledger on another machine; 0 for never. */
  readonly replayMemoryMs: number
  /** Room on disk that is kept for answers which the ledger cannot take. */
  readonly spoolReserveBytes: number
}

export const DEFAULTS: Settings = {
  leaseMs: 30_000,
  heartbeatMs: 10_000,
  sendGraceMs: 2_000,
  quarantineMs: 60_000,
  windowMarginMs: 120_000,
  waitMs: 30_000,
  questionMs: 600_000,
  sweepMs: 1_000,
  storeDeadlineMs: 2_000,
  inlineResultBytes: 64 * 1024,
  maxInputBytes: 1024 * 1024,
  recoveryBackoffMs: 250,
  maxRecoveryBackoffMs: 180_000,
  replayMemoryMs: 5_000,
  spoolReserveBytes: 1024 * 1024,
}

/** More often than so a downstream that is in trouble is not asked for hours, however short the quarantine is. */
const SHORTEST_PAUSE_MS = 30_000

/** @throws OnefoldError CONTRACT_INVALID when the times contradict one another */
export function settingsWith(overrides: Partial<Settings> = {}): Settings {
  const settings = withDefaults(DEFAULTS, overrides)
  if (overrides.windowMarginMs === undefined) {
    Object.assign(settings, { windowMarginMs: Math.max(settings.quarantineMs * 2, settings.sendGraceMs) })
  }
  if (overrides.maxRecoveryBackoffMs === undefined) {
    Object.assign(settings, { maxRecoveryBackoffMs: Math.max(settings.quarantineMs * 3, SHORTEST_PAUSE_MS) })
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!Number.isFinite(value) || value < 0)
      throw invalid(`${name} must be a number of at least 0, not ${String(value)}`)
  }
  if (settings.heartbeatMs * 2 > settings.leaseMs) {
    throw invalid('heartbeatMs must be at most half of leaseMs, or one late heartbeat loses the lease')
  }
  if (settings.windowMarginMs < settings.quarantineMs) {
    throw invalid(
      'windowMarginMs must be at least quarantineMs: a late send must still fall into the downstream’s window',
    )
  }
  return settings
}

const invalid = (message: string): OnefoldError => new OnefoldError('CONTRACT_INVALID', message)
