import { stamp, type Draft, type OperationRecord } from '../../engine/record.ts'
import { NAME_PLACES, NOW, type DraftColumns, type Row, type Value } from './columns.ts'
import { keyToColumn } from './key-column.ts'
import type { Names } from './names.ts'
import type { DatabaseSync } from './sqlite-module.ts'
import type { EventColumns, NoteStep, WriteReply, WriteStep } from './wire.ts'
import {
  DELETE_HISTORY,
  DELETE_RECORD,
  FIND_RECORD,
  INSERT_EVENT,
  INSERT_RECORD,
  LEASE_OF_RECORD,
  SELECT_RECORD,
  UPDATE_RECORD,
} from './write.sql.ts'

/** Store time and sequence as they go through one transaction. */
export interface Progress {
  readonly now: number
  /** The last number given out. */
  sequence: number
}

/** The steps that change records, each to be called inside a write transaction. */
export interface RecordWriter {
  write(step: WriteStep, progress: Progress): WriteReply
  note(step: NoteStep, progress: Progress): void
  /** Forgets ids that were given out in a transaction that was rolled back. */
  forget(): void
}

/** Records that were lately written, so that an update needs no look-up by key. */
const REMEMBERED = 20_000

type Moments = Pick<OperationRecord, 'fence' | 'leaseUntil' | 'firstSendAt' | 'doubtAt' | 'createdAt' | 'revision'>

const moment = (at: number): number | 'now' => (at === NOW ? 'now' : at)

/** Time and sequence enter a record here as everywhere: through `stamp`. */
function momentsOf(draft: DraftColumns, current: Pick<Moments, 'revision' | 'leaseUntil'> | undefined, progress: Progress): Moments {
  const wanted = {
    fence: draft[2],
    leaseMs: draft[10] ?? undefined,
    firstSendAt: moment(draft[11]),
    doubtAt: moment(draft[12]),
    createdAt: moment(draft[13]),
  }
  return stamp(wanted as Draft, current as OperationRecord | undefined, progress.now, progress.sequence)
}

export function recordWriter(database: DatabaseSync, names: Names): RecordWriter {
  const insertRecord = database.prepare(INSERT_RECORD)
  const updateRecord = database.prepare(UPDATE_RECORD)
  const deleteRecord = database.prepare(DELETE_RECORD)
  const deleteHistory = database.prepare(DELETE_HISTORY)
  const insertEvent = database.prepare(INSERT_EVENT)
  const findRecord = database.prepare(FIND_RECORD)
  const leaseOfRecord = database.prepare(LEASE_OF_RECORD)
  const selectRecord = database.prepare(SELECT_RECORD)
  selectRecord.setReturnArrays(true)
  /** By tenant and key. An id is never used for another record, so a stale entry only misses. */
  const ids = new Map<string, number>()

  function remember(place: string, id: number): void {
    if (ids.size >= REMEMBERED) ids.clear()
    ids.set(place, id)
  }

  function idOf(place: string, column: Uint8Array | undefined, key: string, tenant: number): number | undefined {
    const known = ids.get(place)
    if (known !== undefined) return known
    const id = findRecord.get(column ?? keyToColumn(key), tenant)?.['id'] as number | undefined
    if (id !== undefined) remember(place, id)
    return id
  }

  function conflict(key: string, tenant: number, progress: Progress): WriteReply {
    const row = selectRecord.get(keyToColumn(key), tenant) as unknown as Value[] | undefined
    return [0, progress.now, progress.sequence, row === undefined ? null : withNames(row, names)]
  }

  function append(record: number, event: EventColumns, fence: number, progress: Progress): void {
    insertEvent.run(
      record,
      progress.sequence,
      progress.now,
      event[0],
      event[1],
      event[2],
      event[3] === 0 ? fence : event[3],
      event[4],
      names.idOf(event[5]),
      event[6],
      event[7],
    )
  }

  function insert(step: WriteStep, draft: DraftColumns, place: string, tenant: number, progress: Progress): WriteReply {
    const next: Progress = { now: progress.now, sequence: progress.sequence + 1 }
    const moments = momentsOf(draft, undefined, next)
    // The number that a record is given first stays its id: fences and ids never restart, also after a deletion.
    const id = next.sequence
    const written = insertRecord.run(id, keyToColumn(step[2]), tenant, ...hotColumns(draft, moments, progress.now, names))
    if (written.changes !== 1) return conflict(step[2], tenant, progress)
    progress.sequence = next.sequence
    remember(place, id)
    append(id, step[6], moments.fence, progress)
    return [1, progress.now, progress.sequence, 0]
  }

  function update(step: WriteStep, draft: DraftColumns, id: number, tenant: number, progress: Progress): WriteReply {
    const next: Progress = { now: progress.now, sequence: progress.sequence + 1 }
    const leaseUntil = draft[10] === null ? ((leaseOfRecord.get(id)?.['lease_until'] as number | undefined) ?? 0) : 0
    const moments = momentsOf(draft, { revision: step[4], leaseUntil }, next)
    const written = updateRecord.run(...hotColumns(draft, moments, progress.now, names), id, step[4])
    if (written.changes !== 1) return conflict(step[2], tenant, progress)
    progress.sequence = next.sequence
    append(id, step[6], moments.fence, progress)
    return [1, progress.now, progress.sequence, leaseUntil]
  }

  function erase(step: WriteStep, id: number, place: string, tenant: number, progress: Progress): WriteReply {
    if (deleteRecord.run(id, step[4]).changes !== 1) return conflict(step[2], tenant, progress)
    deleteHistory.run(id)
    ids.delete(place)
    progress.sequence += 1
    return [1, progress.now, progress.sequence, 0]
  }

  return {
    write(step, progress) {
      const [, , key, tenantName, expect, draft] = step
      const tenant = names.idOf(tenantName)
      const place = `${tenant}:${key}`
      if (expect === 0 && draft !== null) return insert(step, draft, place, tenant, progress)
      const id = idOf(place, undefined, key, tenant)
      if (expect === 0) {
        if (id !== undefined) return conflict(key, tenant, progress)
        progress.sequence += 1
        return [1, progress.now, progress.sequence, 0]
      }
      if (id === undefined) return conflict(key, tenant, progress)
      return draft === null ? erase(step, id, place, tenant, progress) : update(step, draft, id, tenant, progress)
    },
    note(step, progress) {
      const [, , key, tenantName, event] = step
      const tenant = names.find(tenantName)
      if (tenant === undefined) return
      const id = findRecord.get(keyToColumn(key), tenant)?.['id'] as number | undefined
      if (id === undefined) return
      progress.sequence += 1
      append(id, event, event[3], progress)
    },
    forget() {
      ids.clear()
    },
  }
}

/** The columns from `tool` on, in the order of COLUMNS. */
function hotColumns(draft: DraftColumns, moments: Moments, now: number, names: Names): (string | number | null)[] {
  return [
    names.idOf(draft[0]),
    draft[1],
    moments.revision,
    moments.fence,
    draft[3],
    draft[4],
    names.idOf(draft[5]),
    draft[6],
    draft[7],
    draft[8],
    draft[9],
    moments.leaseUntil,
    moments.firstSendAt,
    moments.doubtAt,
    moments.createdAt,
    now,
    draft[14],
    draft[15],
    draft[16],
    draft[17],
    draft[18],
    draft[19],
    draft[20],
    draft[21],
    draft[22],
  ]
}

/** A row whose references to `names` are replaced by their texts, for a thread that cannot look them up. */
export function withNames(row: Row, names: Names): Row {
  const filled = [...row]
  for (const place of NAME_PLACES) filled[place] = names.textOf(row[place])
  return filled
}
