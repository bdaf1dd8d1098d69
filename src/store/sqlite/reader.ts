import type { Reading } from '../../engine/index.ts'
import { recordOf, type Row } from './columns.ts'
import { connect } from './connection.ts'
import { keyToColumn } from './key-column.ts'
import { namesOf } from './names.ts'
import type { SteadyClock } from './steady-clock.ts'
import { SELECT_META } from './meta.sql.ts'
import { SELECT_RECORD } from './write.sql.ts'

/** Reads on the caller's thread: what the worker has committed is there at once, and a replay costs no hop. */
export interface Reader {
  /** Undefined when the file cannot be read just now; the worker then answers. */
  read(key: string, tenant: string): Reading | undefined
  /** The last number given out, also by other processes; undefined when it cannot be read just now. */
  sequence(): number | undefined
  close(): void
}

/** Never waits: a lock or any other trouble is the worker's to deal with. */
export function openReader(path: string, clock: SteadyClock): Reader {
  const database = connect(path, { readOnly: true })
  const names = namesOf(database, { readOnly: true })
  const select = database.prepare(SELECT_RECORD)
  select.setReturnArrays(true)
  const selectMeta = database.prepare(SELECT_META)

  return {
    read(key, tenant) {
      try {
        const id = names.find(tenant)
        const row = id === undefined ? undefined : (select.get(keyToColumn(key), id) as unknown as Row | undefined)
        const record = row === undefined ? undefined : recordOf(row, names.textOf)
        if (record !== undefined) clock.raise(record.updatedAt)
        return { record, now: clock.now() }
      } catch {
        return undefined
      }
    },
    sequence() {
      try {
        return selectMeta.get()?.['sequence'] as number | undefined
      } catch {
        return undefined
      }
    },
    close() {
      database.close()
    },
  }
}
