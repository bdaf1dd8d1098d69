import type { AmnesiaMark, Epoch } from '../../engine/index.ts'
import { SELECT_BLOB, SELECT_OLD_BLOB } from './blob.sql.ts'
import type { Row, Value } from './columns.ts'
import { SELECT_HISTORY } from './history.sql.ts'
import { keyToColumn } from './key-column.ts'
import type { Ledger } from './ledger.ts'
import { SELECT_META } from './meta.sql.ts'
import { COUNT_WINDOW } from './count.sql.ts'
import { scanner } from './scan.ts'
import type { Scan, ScanReply } from './wire.ts'
import { withNames } from './write-step.ts'
import { SELECT_RECORD } from './write.sql.ts'

/** Rows that one step of a count may look at: a few milliseconds of the worker. */
const COUNT_ROWS = 20_000

/** Reads that go through the worker, beside the writes. */
export interface LedgerReader {
  read(key: string, tenant: string): { readonly row: Row | null; readonly now: number }
  /** One step of a scan. Fewer rows than the limit do not mean its end: `next` says where to go on. */
  scan(scan: Scan): ScanReply
  history(key: string, tenant: string): readonly Row[]
  /** One step of a count: states with their numbers, and where to go on. */
  count(
    tenant: string | undefined,
    after: number,
  ): { readonly states: readonly (readonly [number, number])[]; readonly next: number | undefined }
  epoch(): Epoch
  blob(key: string, tenant: string, sha256: string): Uint8Array | null
}

export function ledgerReader(ledger: Ledger): LedgerReader {
  const { database, names, clock } = ledger
  const arrays = (text: string): ReturnType<typeof database.prepare> => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    return statement
  }
  const selectRecord = arrays(SELECT_RECORD)
  const countWindow = arrays(COUNT_WINDOW)
  const selectHistory = arrays(SELECT_HISTORY)
  const selectMeta = database.prepare(SELECT_META)
  const selectBlob = database.prepare(SELECT_BLOB)
  const selectOldBlob = database.prepare(SELECT_OLD_BLOB)

  const scan = scanner(ledger)

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
    blob(key, tenant, sha256) {
      const id = names.find(tenant)
      const own = id === undefined ? undefined : selectBlob.get(keyToColumn(key), id, sha256)
      const found = own ?? selectOldBlob.get(sha256)
      return found === undefined ? null : ((found['bytes'] as Uint8Array | null) ?? new Uint8Array(0))
    },
  }
}
