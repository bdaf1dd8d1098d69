import type { Core } from './core.ts'
import { ticketOf } from './operation.ts'
import { isAid, isOwn } from './own-names.ts'
import { stateBefore, type OperationRecord } from './record.ts'
import type { ActiveRun } from './run.ts'
import { assertWhole } from './unreadable.ts'

/** One operation in a receipt. */
export interface ReceiptEntry {
  readonly tool: string
  readonly key: string
  readonly ticket: string
  /** In the unit of the field that the contract names; undefined where none is declared. */
  readonly amount: number | undefined
  readonly state: string
}

/** What a run did: the one source for interface, log and billing. */
export interface Receipt {
  readonly run: string
  readonly committed: readonly ReceiptEntry[]
  /** The downstream said yes to doing it later; not confirmed yet. */
  readonly accepted: readonly ReceiptEntry[]
  readonly inDoubt: readonly ReceiptEntry[]
  /** Nothing happened: cancelled, refused, or proven not sent. */
  readonly cancelled: readonly ReceiptEntry[]
  readonly running: readonly ReceiptEntry[]
  /** True when the run id was minted below the retrier, so that a retried run is not recognised. */
  readonly unanchored: boolean
}

/** Reads the ledger for every operation that the run has called, here or in an earlier life of it. */
export async function receiptOf(core: Core, run: ActiveRun): Promise<Receipt> {
  const records = new Map<string, OperationRecord>()
  let after: string | undefined
  do {
    const page = await core.journal.withDeadline(
      core.journal.store.list({ tenant: run.tenant, run: run.id, ...(after === undefined ? {} : { after }) }),
    )
    assertWhole(page)
    for (const record of page.records) records.set(record.key, record)
    after = page.next
  } while (after !== undefined)
  const receipt = { committed: [], accepted: [], inDoubt: [], cancelled: [], running: [] } as Record<
    Part,
    ReceiptEntry[]
  >
  for (const touched of run.touched.values()) {
    if (isOwn(touched.tool)) continue
    const isCalled = Array.from(run.pending).some(({ key }) => key === touched.key)
    const record = records.get(touched.key) ?? (await core.journal.read(touched.key, touched.tenant)).record
    records.delete(touched.key)
    const part = record === undefined ? await partOfAbsent(core, isCalled) : partOf(record)
    receipt[part].push(entryOf(touched.key, touched.tool, record?.amount ?? touched.amount, record))
  }
  for (const record of records.values()) {
    // The marker under an older name is no operation: that stands under its own key.
    if (record.state === 'superseded') continue
    if (isAid(record.tool) || isOwn(record.tool)) continue
    receipt[partOf(record)].push(entryOf(record.key, record.tool, record.amount, record))
  }
  return { run: run.id, ...receipt, unanchored: run.unanchored }
}

type Part = 'committed' | 'accepted' | 'inDoubt' | 'cancelled' | 'running'

/** A call may be about to claim; and where the store has lost records, that there is none says nothing. */
async function partOfAbsent(core: Core, isCalled: boolean): Promise<Part> {
  if (isCalled) return 'running'
  await core.journal.refreshEpoch()
  return core.journal.amnesia() === undefined ? 'cancelled' : 'inDoubt'
}

function partOf(record: OperationRecord): Part {
  switch (stateBefore(record)) {
    case 'committed':
      return 'committed'
    case 'accepted':
      return 'accepted'
    case 'in-doubt':
    case 'recovering':
    case 'abandoned':
    case 'superseded':
      return 'inDoubt'
    case 'claimed':
    case 'executing':
    case 'awaiting-input':
    case 'compensating':
      return 'running'
    default:
      return 'cancelled'
  }
}

const entryOf = (
  key: string,
  tool: string,
  amount: number | undefined,
  record: OperationRecord | undefined,
): ReceiptEntry => ({
  tool,
  key,
  ticket: ticketOf(key),
  amount,
  state: record?.state ?? 'absent',
})
