import type { Moments, Stamped } from '../../engine/index.ts'
import { DELETE_BLOBS, INSERT_BLOB } from './blob.sql.ts'
import { NAME_PLACES, NOW, type DraftColumns, type Row, type Value } from './columns.ts'
import { keyToColumn } from './key-column.ts'
import { numberOf } from './states.ts'
import { momentsInWorker } from './moments.ts'
import type { Names } from './names.ts'
import type { DatabaseSync } from './sqlite-module.ts'
import type { EventColumns, NoteStep, PutBlobStep, WriteReply, WriteStep } from './wire.ts'
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
  /** When the amnesia mark that stands was set; 0 for none. */
  readonly amnesiaAt: number
}

/** The steps that change records, each to be called inside a write transaction. */
export interface RecordWriter {
  write(step: WriteStep, progress: Progress): WriteReply
  note(step: NoteStep, progress: Progress): void
  putBlob(step: PutBlobStep, progress: Progress): void
  /** Forgets ids that were given out in a transaction that was rolled back. */
  forget(): void
}

/** Events that are kept with the record: claim, doubt, recovery and end have room. */
const EARLY_EVENTS = 8

/** Records that were lately written, so that an update needs no look-up by key. */
const REMEMBERED = 20_000

const EXPIRED = numberOf('expired')

const moment = (at: number): number | 'now' => (at === NOW ? 'now' : at)

const wantedOf = (draft: DraftColumns): Moments => ({
  fence: draft[2],
  leaseMs: draft[10] ?? undefined,
  firstSendAt: moment(draft[11]),
  doubtAt: moment(draft[12]),
  createdAt: moment(draft[13]),
})

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
  const insertBlob = database.prepare(INSERT_BLOB)
  const deleteBlobs = database.prepare(DELETE_BLOBS)
  const ids = idMemory()

  function find(key: string, tenant: number): number | undefined {
    const known = ids.get(key, tenant)
    if (known !== undefined) return known
    const id = findRecord.get(keyToColumn(key), tenant)?.['id'] as number | undefined
    if (id !== undefined) ids.set(key, tenant, id)
    return id
  }

  function conflict(key: string, tenant: number, progress: Progress): WriteReply {
    const row = selectRecord.get(keyToColumn(key), tenant) as unknown as Value[] | undefined
    return [0, progress.now, progress.sequence, row === undefined ? null : withNames(row, names), progress.amnesiaAt]
  }

  function applied(progress: Progress, previousLease: number): WriteReply {
    return [1, progress.now, progress.sequence, previousLease, progress.amnesiaAt]
  }

  function append(record: number, event: EventColumns, fence: number, progress: Progress): void {
    const who = names.idOf(event[5])
    const { sequence, now } = progress
    insertEvent.run(record, sequence, now, event[0], event[1], event[2], fence, event[4], who, event[6], event[7])
  }

  /** An event as the column `early` has it: the columns of `events` from `n` on. */
  function earlyText(event: EventColumns, fence: number, sequence: number, now: number): string {
    const who = names.idOf(event[5])
    return JSON.stringify([sequence, now, event[0], event[1], event[2], fence, event[4], who, event[6], event[7]])
  }

  function insert(step: WriteStep, draft: DraftColumns, tenant: number, progress: Progress): WriteReply {
    const key = step[2]
    const event = step[6]
    // The number that a record is given first stays its id: fences and ids never restart, also after a deletion.
    const id = progress.sequence + 1
    const moments = momentsInWorker(wantedOf(draft), undefined, progress.now, id)
    const values: Value[] = [id, keyToColumn(key), tenant]
    addColumns(values, draft, moments, names)
    values.push(`[${earlyText(event, event[3] || moments.fence, id, progress.now)}`)
    if (insertRecord.run(...values).changes !== 1) return conflict(key, tenant, progress)
    progress.sequence = id
    ids.set(key, tenant, id)
    return applied(progress, 0)
  }

  /** Undefined when the record of that id is not at the expected revision. */
  function update(
    step: WriteStep,
    draft: DraftColumns,
    id: number,
    tenant: number,
    progress: Progress,
  ): WriteReply | undefined {
    const revision = step[4]
    const event = step[6]
    const sequence = progress.sequence + 1
    const leaseUntil = draft[10] === null ? ((leaseOfRecord.get(id)?.['lease_until'] as number | undefined) ?? 0) : 0
    const moments = momentsInWorker(wantedOf(draft), { revision, leaseUntil }, progress.now, sequence)
    const fence = event[3] || moments.fence
    // Revisions begin at the id and grow by one, so the difference counts the writes.
    const isEarly = revision - id < EARLY_EVENTS - 1
    const values: Value[] = []
    addColumns(values, draft, moments, names)
    values.push(isEarly ? `,${earlyText(event, fence, sequence, progress.now)}` : '', id, revision)
    if (updateRecord.run(...values).changes !== 1) return undefined
    if (draft[1] === EXPIRED) deleteBlobs.run(keyToColumn(step[2]), tenant)
    progress.sequence = sequence
    if (!isEarly) append(id, event, fence, progress)
    return applied(progress, leaseUntil)
  }

  function erase(step: WriteStep, id: number, tenant: number, progress: Progress): WriteReply | undefined {
    if (deleteRecord.run(id, step[4]).changes !== 1) return undefined
    deleteHistory.run(id)
    deleteBlobs.run(keyToColumn(step[2]), tenant)
    ids.delete(step[2], tenant)
    progress.sequence += 1
    return applied(progress, 0)
  }

  return {
    write(step, progress) {
      const [, , key, tenantName, expect, draft] = step
      const tenant = names.idOf(tenantName)
      if (expect === 0 && draft !== null) return insert(step, draft, tenant, progress)
      const change = (id: number): WriteReply | undefined =>
        draft === null ? erase(step, id, tenant, progress) : update(step, draft, id, tenant, progress)
      if (expect === 0) ids.delete(key, tenant)
      const known = find(key, tenant)
      if (expect === 0) {
        if (known !== undefined) return conflict(key, tenant, progress)
        progress.sequence += 1
        return applied(progress, 0)
      }
      if (known === undefined) return conflict(key, tenant, progress)
      const reply = change(known)
      if (reply !== undefined) return reply
      // What was remembered may be stale: the key deleted and recorded anew by another process.
      ids.delete(key, tenant)
      const now = find(key, tenant)
      return (now === undefined || now === known ? undefined : change(now)) ?? conflict(key, tenant, progress)
    },
    note(step, progress) {
      const [, , key, tenantName, event] = step
      const tenant = names.find(tenantName)
      if (tenant === undefined) return
      // By the key and not by what is remembered: a note has no revision that would tell a stale id.
      const id = findRecord.get(keyToColumn(key), tenant)?.['id'] as number | undefined
      if (id === undefined) return
      progress.sequence += 1
      append(id, event, event[3], progress)
    },
    putBlob(step, progress) {
      const [, , key, tenantName, sha256, bytes] = step
      const tenant = names.idOf(tenantName)
      const column = keyToColumn(key)
      insertBlob.run(column, tenant, sha256, bytes, progress.now, column, tenant, EXPIRED)
    },
    forget() {
      ids.clear()
    },
  }
}

interface IdMemory {
  get(key: string, tenant: number): number | undefined
  set(key: string, tenant: number, id: number): void
  delete(key: string, tenant: number): void
  clear(): void
}

/** Ids of records lately written. An id is never used for another record, so a stale entry can only miss. */
function idMemory(): IdMemory {
  const tenants = new Map<number, Map<string, number>>()
  let size = 0
  function clear(): void {
    tenants.clear()
    size = 0
  }
  return {
    clear,
    get: (key, tenant) => tenants.get(tenant)?.get(key),
    set(key, tenant, id) {
      if (size >= REMEMBERED) clear()
      let ids = tenants.get(tenant)
      if (ids === undefined) tenants.set(tenant, (ids = new Map()))
      ids.set(key, id)
      size += 1
    },
    delete(key, tenant) {
      tenants.get(tenant)?.delete(key)
    },
  }
}

/** Adds the columns from `tool` on, in the order of COLUMNS. */
function addColumns(values: Value[], draft: DraftColumns, moments: Stamped, names: Names): void {
  values.push(
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
    moments.updatedAt,
    draft[14],
    draft[15],
    draft[16],
    draft[17],
    draft[18],
    draft[19],
    draft[20],
    draft[21],
    draft[22],
  )
}

/** A row whose references to `names` are replaced by their texts, for a thread that cannot look them up. */
export function withNames(row: Row, names: Names): Row {
  const filled = [...row]
  for (const place of NAME_PLACES) filled[place] = names.textOf(row[place])
  return filled
}
