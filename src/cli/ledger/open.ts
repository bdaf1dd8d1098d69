import { createGuard, type Guard, type Ledger, type Store } from '../../engine/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../system/index.ts'
import { locate, type Where, type WhereOptions } from './locate.ts'

/** A ledger that is open for a command. */
export interface OpenLedger {
  readonly where: Where
  /** Within the tenant that the command names. */
  readonly own: Ledger
  /** Across tenants. */
  readonly all: Ledger
  readonly tenant: string
  /** Store time when the command began. */
  readonly now: number
}

/**
 * Opens the ledger that the options name, runs `work` on it and closes it. Never creates one. First, as anyone may, it
 * brings operations whose lease is over to a visible doubt, so that what is shown is true now.
 * @throws OnefoldError STORE_UNAVAILABLE, STORE_UNSAFE, CONFIG_INVALID
 */
export async function withLedger<T>(options: WhereOptions, work: (ledger: OpenLedger) => Promise<T>): Promise<T> {
  const where = await locate(options)
  const guard = guardOn(where.store, where.tenant)
  try {
    await guard.internals.tick()
    const { now } = await guard.internals.operators.list({ limit: 1 })
    return await work({ where, own: guard.ledger, all: guard.internals.operators, tenant: where.tenant, now })
  } finally {
    await guard.close()
  }
}

/** A guard without tools: it looks and settles, and never starts an effect. */
export function guardOn(store: Store, tenant: string): Guard {
  return createGuard({ store, tenant, clock: systemClock(), ids: systemIds(), processes: systemProcesses() })
}
