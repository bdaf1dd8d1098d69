import type { AmnesiaMark, Epoch } from '../../engine/store.ts'
import { SELECT_BLOB } from './blob.sql.ts'
import type { Row, Value } from './columns.ts'
import { SELECT_HISTORY } from './history.sql.ts'
import { keyToColumn } from './key-column.ts'
import type { Ledger } from './ledger.ts'
import { SELECT_META } from './meta.sql.ts'
import { COUNT_WINDOW, SCAN_ALL, SCAN_DUE, SCAN_OPEN, SCAN_RUN, WINDOW_END } from './scan.sql.ts'
import { LAST_OPEN } from './states.ts'
import type { Scan, ScanReply } from './wire.ts'
import { withNames } from './write-step.ts'
import { SELECT_RECORD } from './write.sql.ts'
import { toColumn } from './text.ts'

/** Rows that one step of a scan may look at, and one step of a count: a few milliseconds of the worker each. */
const SCAN_WINDOW = 2_000
const COUNT_ROWS = 20_000

/** Reads that go through the worker, beside the writes. */
export interface LedgerReader {
  read(key: string, tenant: string): { readonly row: Row | null; readonly now: number }
  /** One step of a scan. Fewer rows than the limit do not mean its end: `next` says where to go on. */
  scan(scan: Scan): ScanReply
  history(key: string, tenant: string): readonly Row[]
  /** One step of a count: states with their numbers, and where to go on. */
  count(tenant: string | undefined, after: number): { readonly states: readonly (readonly [number, number])[]; readonly next: number | undefined }
  epoch(): Epoch
  blob(sha256: string): Uint8Array | null
}

export function ledgerReader(ledger: Ledger): LedgerReader {
  const { database, names, clock } = ledger
  const arrays = (text: string): ReturnType<typeof database.prepare> => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    statement.setAllowUnknownNamedParameters(true)
    return statement
  }
  const selectRecord = arrays(SELECT_RECORD)
  const scanAll = arrays(SCAN_ALL)
  const scanOpen = arrays(SCAN_OPEN)
  const scanRun = arrays(SCAN_RUN)
  const scanDue = arrays(SCAN_DUE)
  const windowEnd = database.prepare(WINDOW_END)
  const countWindow = arrays(COUNT_WINDOW)
  const selectHistory = arrays(SELECT_HISTORY)
  const selectMeta = database.prepare(SELECT_META)
  const selectBlob = database.prepare(SELECT_BLOB)

  const rowsOf = (statement: typeof scanAll, values: Record<string, string | number | null>): Row[] =>
    statement.all(values) as unknown as Value[][]

  function scan(wanted: Scan): ScanReply {
    const now = clock.now()
    const tenant = wanted.tenant === undefined ? null : names.find(wanted.tenant)
    const tool = wanted.tool === undefined ? null : names.find(wanted.tool)
    if (tenant === undefined || tool === undefined) return { rows: [], next: undefined, now }
    const values = {
      after: wanted.after,
      limit: wanted.limit,
      tenant,
      tool,
      run: wanted.run === undefined ? null : toColumn(wanted.run),
      states: wanted.states === undefined ? null : JSON.stringify(wanted.states),
      updatedBefore: wanted.updatedBefore ?? null,
      now,
      last: 0,
      window: SCAN_WINDOW,
    }
    const filled = (rows: readonly Row[], beyond: number | undefined): ScanReply => {
      const last = rows.length === wanted.limit ? (rows[rows.length - 1]?.[0] as number) : beyond
      return { rows: rows.map((row) => withNames(row, names)), next: last, now }
    }
    if (wanted.kind === 'due') return filled(rowsOf(scanDue, values), undefined)
    if (wanted.run !== undefined) return filled(rowsOf(scanRun, values), undefined)
    if (wanted.kind === 'open' || wanted.states?.every((state) => state <= LAST_OPEN) === true) {
      return filled(rowsOf(scanOpen, values), undefined)
    }
    const end = windowEnd.get({ after: wanted.after, window: SCAN_WINDOW }) as { last: number | null; count: number }
    if (end.last === null) return { rows: [], next: undefined, now }
    return filled(rowsOf(scanAll, { ...values, last: end.last }), end.count < SCAN_WINDOW ? undefined : end.last)
  }

  return {
    scan,
    read(key, tenant) {
      const id = names.find(tenant)
      const row = id === undefined ? undefined : (selectRecord.get(keyToColumn(key), id) as unknown as Row | undefined)
      return { row: row === undefined ? null : withNames(row, names), now: clock.now() }
    },
    history(key, tenant) {
      const id = names.find(tenant)
      if (id === undefined) return []
      const rows = selectHistory.all(keyToColumn(key), id) as unknown as Value[][]
      return rows.map((row) => row.with(6, names.textOf(row[6])))
    },
    count(tenant, after) {
      const id = tenant === undefined ? null : (names.find(tenant) ?? -1)
      const rows = countWindow.all({ tenant: id, after, window: COUNT_ROWS }) as unknown as [number, number, number][]
      return {
        states: rows.map(([state, count]) => [state, count] as const),
        next: rows.length === 0 ? undefined : Math.max(...rows.map((row) => row[2])),
      }
    },
    epoch() {
      const meta = selectMeta.get() as { file_id: string; sequence: number; amnesia: string | null }
      return {
        id: meta.file_id,
        sequence: meta.sequence,
        amnesia: meta.amnesia === null ? undefined : (JSON.parse(meta.amnesia) as AmnesiaMark),
      }
    },
    blob(sha256) {
      return (selectBlob.get(sha256)?.['bytes'] as Uint8Array | undefined) ?? null
    },
  }
}
