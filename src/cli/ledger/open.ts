import { createGuard, type Guard, type Ledger, type OperationRecord } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { storeFrom } from '../../config/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../system/index.ts'
import { locate, missingLedger, type Where, type WhereOptions } from './locate.ts'
import type { View } from './next.ts'
import { patient } from './patient.ts'

/** A ledger that is open for a command. */
export interface OpenLedger {
  readonly where: Where
  /** Within the tenant that the command names. */
  readonly own: Ledger
  /** Across tenants. */
  readonly all: Ledger
  readonly view: View
  /** The record with its answer, also where that is too large to lie in it. */
  readonly whole: (record: OperationRecord) => Promise<OperationRecord>
}

/**
 * Opens the ledger that the options name, runs `work` on it and closes it. Never creates one. First, as anyone may, it
 * brings operations whose lease is over to a visible doubt, so that what is shown is true now.
 * @throws OnefoldError STORE_UNAVAILABLE (also when there is none), STORE_UNSAFE, CONFIG_INVALID
 */
export async function withLedger<T>(options: WhereOptions, work: (ledger: OpenLedger) => Promise<T>): Promise<T> {
  const where = locate(options, { secrets: false })
  const missing = missingLedger(where)
  if (missing !== undefined) {
    const hint = where.named ? 'Check the path' : 'Name it with --store sqlite:PATH or --config FILE'
    throw new OnefoldError(
      'STORE_UNAVAILABLE',
      `${missing[0]?.toUpperCase()}${missing.slice(1)}. Nothing was created. ${hint}.`,
    )
  }
  const guard = await guardOn(where)
  try {
    await guard.internals.tick()
    const { now } = await guard.internals.operators.list({ limit: 1 })
    const view = { now, flags: where.flags, quarantineMs: where.quarantineMs }
    return await work({
      where,
      own: patient(guard.ledger),
      all: patient(guard.internals.operators),
      view,
      whole: wholeFrom(guard),
    })
  } finally {
    await guard.close()
  }
}

const wholeFrom =
  ({ internals }: Guard): OpenLedger['whole'] =>
  async (record) => {
    const { outcome } = record
    if (outcome?.blob !== true) return record
    const bytes = await internals.blobs.getBlob(record, outcome.sha256)
    return bytes === undefined ? record : { ...record, outcome: { ...outcome, text: Buffer.from(bytes).toString() } }
  }

/** A guard without tools: it looks and settles, and never starts an effect. */
export async function guardOn({ choice, tenant, quarantineMs }: Where): Promise<Guard> {
  const { store } = await storeFrom(choice, true)
  return createGuard({
    store,
    tenant,
    settings: { quarantineMs },
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
  })
}
