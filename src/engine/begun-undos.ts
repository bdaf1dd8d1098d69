import { nameUndo } from './compensate.ts'
import { alarm, type Core } from './core.ts'
import { standing } from './older.ts'
import { OPEN_STATES, stateBefore, type OperationRecord } from './record.ts'

/**
 * What becomes of an undo whose process went away (T21, I9). One that is done is recorded as done; one that nobody goes on
 * with is told of, once by every engine. It is not run from here: by which tool a saga undoes its steps is not recorded.
 */
export function createUndoWatch(core: Core): (record: OperationRecord) => Promise<void> {
  const nextLookAt = new Map<string, number>()
  const told = new Set<string>()

  return async (record) => {
    const now = core.clock.bootMs()
    if (now < (nextLookAt.get(record.key) ?? 0)) return
    nextLookAt.set(record.key, now + core.settings.maxRecoveryBackoffMs)
    for (const occurrence of new Set([1, record.occurrence])) {
      const undo = (await standing(core, nameUndo(core, record, occurrence))).reading.record
      if (undo === undefined) continue
      if (stateBefore(undo) === 'committed') return await end(record)
      // It runs, or is a doubt that is listed itself.
      if (OPEN_STATES.includes(undo.state)) return
    }
    if (told.has(record.key) || (await isOfSaga(record))) return
    told.add(record.key)
    alarm(core, record, FORSAKEN)
  }

  async function end({ key, tenant }: OperationRecord): Promise<void> {
    nextLookAt.delete(key)
    const current = await core.journal.read(key, tenant)
    await core.journal.apply(key, tenant, current, { type: 'compensated', who: core.processes.self })
  }

  /** A saga goes on by itself with what it undoes. */
  async function isOfSaga({ parent, tenant }: OperationRecord): Promise<boolean> {
    if (parent === undefined) return false
    const { record } = await core.journal.read(parent.key, tenant)
    return record !== undefined && OPEN_STATES.includes(record.state)
  }
}

const FORSAKEN =
  'its undo has begun, and nobody goes on with it. Call its compensate again with the same input: it goes on where it was, and undoes once.'
