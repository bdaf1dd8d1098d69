import { nameUndo } from './compensate.ts'
import { alarm, type Core } from './core.ts'
import { standing } from './older.ts'
import { OPEN_STATES, stateBefore, type OperationRecord } from './record.ts'

/**
 * What becomes of an undo whose process went away (T21, I9). One that is done is recorded as done; one that nobody goes on
 * with is told of, once by every engine. It is not run from here: by which tool a saga undoes its steps is not recorded.
 */
export function createUndoWatch(core: Core): (record: OperationRecord) => Promise<void> {
  /** By key, in the order of their next looks. */
  const looks = new Map<string, { readonly nextAt: number; told: boolean }>()

  return async (record) => {
    const now = core.clock.bootMs()
    const pauseMs = core.settings.maxRecoveryBackoffMs
    const known = looks.get(record.key)
    if (known !== undefined && now < known.nextAt) return
    const look = { nextAt: now + pauseMs, told: known?.told === true }
    looks.delete(record.key)
    looks.set(record.key, look)
    // What nobody has shown for as long again is undone.
    for (const [key, { nextAt }] of looks) {
      if (now < nextAt + pauseMs) break
      looks.delete(key)
    }
    let message = FORSAKEN
    for (const occurrence of new Set([1, record.occurrence])) {
      const undo = (await standing(core, nameUndo(core, record, occurrence))).reading.record
      if (undo === undefined) continue
      if (stateBefore(undo) === 'committed') return await end(record)
      // It runs, or is a doubt that is listed itself.
      if (OPEN_STATES.includes(undo.state)) return
      if (stateBefore(undo) === 'abandoned') message = GIVEN_UP
    }
    if (look.told || (await isOfSaga(record))) return
    look.told = true
    alarm(core, record, message)
  }

  async function end({ key, tenant }: OperationRecord): Promise<void> {
    looks.delete(key)
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

const GIVEN_UP =
  'a person closed its undo without knowing what came of it: nobody goes on with it, and it stays neither done nor undone.'
