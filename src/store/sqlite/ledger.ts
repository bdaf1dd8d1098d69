import type { AmnesiaMark } from '../../engine/index.ts'
import { connect } from './connection.ts'
import {
  busyFailure,
  concernsFile,
  errorOf,
  FailureError,
  failureOf,
  isBusy,
  unavailable,
  type Failure,
} from './failure.ts'
import { makeLogRoom } from './log-room.ts'
import { RAISE_CLOCK, SELECT_META, SELECT_POSITION, UPDATE_AMNESIA, UPDATE_META } from './meta.sql.ts'
import { assertCurrent, assertOurs, migrate, schemaOf } from './migrate.ts'
import { namesOf, type Names } from './names.ts'
import { assertOneName } from './one-name.ts'
import { prepareFile } from './prepare-file.ts'
import { MIGRATIONS } from './schema.sql.ts'
import { fileId, goneMessage, goneOf, type FileId } from './same-file.ts'
import { lossOf, readSideFile, writeSideFile, type Present } from './side-file.ts'
import type { DatabaseSync } from './sqlite-module.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'
import { withoutApplied, type Replies, type Reply, type WriteReply, type WritingStep } from './wire.ts'
import { recordWriter, type Progress } from './write-step.ts'

export interface LedgerOptions {
  readonly path: string
  readonly wall: () => number
  /** @see ConnectOptions */
  readonly hurried?: boolean
  /** @see SqliteOptions */
  readonly asItIs?: boolean
}

/** A writing connection to a ledger file, and what goes through it. Lives in the worker, or beside it (see direct.ts). */
export interface Ledger {
  readonly database: DatabaseSync
  readonly names: Names
  readonly clock: SteadyClock
  readonly file: FileId
  /**
   * All steps in one transaction, and those that `more` hands over until it has none. One reply a step.
   * `busy` when another process holds the lock: nothing was done.
   */
  write(steps: WritingStep[], more: () => readonly WritingStep[]): Outcome | 'busy'
  /** What is read of a file that is gone counts for nothing. @throws FailureError STORE_UNAVAILABLE */
  assertThere(): void
  /** Writes the side file if something was acknowledged since. */
  remember(): void
  /** Folds as much of the log into the file as nobody reads any more, and waits for nobody. */
  checkpoint(): void
  /** Lets the log have its later size at once ({@link makeLogRoom}). Does nothing while another connection writes. */
  makeRoom(): void
  close(): void
}

export interface Outcome {
  readonly replies: readonly Replies[]
  /** Set when the connection is not to be used any more. */
  readonly broken: boolean
}

/**
 * How long a look for the files stands. Three of them take as long as a third of a quick commit; and a file may go right
 * behind any look.
 */
const FRESH_MS = 5

/** How often folding in is repeated for what was written while it went on. */
const CHECKPOINTS = 8

interface Meta {
  readonly sequence: number
  readonly clock: number
  readonly file_id: string
  readonly created_at: number
  readonly amnesia: string | null
}

type Position = readonly [sequence: number, clock: number, amnesia: string | null]

/**
 * Opens or creates a ledger, migrates it and looks for a loss of records.
 * @throws FailureError and SQLite errors; {@link failureOf} reads them
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { path, hurried = false, asItIs = false } = options
  const clock = steadyClock(options.wall)
  if (!asItIs) prepareFile(path)
  assertOneName(path)
  const database = connect(path, {
    readOnly: false,
    hurried,
    check: (found) => (asItIs ? assertCurrent : assertOurs)(found, path, MIGRATIONS.length),
  })
  try {
    migrate(database, path, MIGRATIONS, clock.now())
    return ledgerOn(database, clock, options)
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Brings the ledger in a file that is there to this version's schema.
 * @throws OnefoldError STORE_UNSAFE for what is no ledger, or a newer one, STORE_UNAVAILABLE
 */
export function migrateSqlite(path: string): { readonly from: number; readonly to: number } {
  try {
    let from = 0
    assertOneName(path)
    const database = connect(path, {
      readOnly: false,
      check(found) {
        assertOurs(found, path, MIGRATIONS.length)
        from = schemaOf(found)
      },
    })
    try {
      migrate(database, path, MIGRATIONS, Date.now())
    } finally {
      database.close()
    }
    return { from, to: MIGRATIONS.length }
  } catch (error) {
    throw errorOf(failureOf(error, path))
  }
}

function ledgerOn(database: DatabaseSync, clock: SteadyClock, options: LedgerOptions): Ledger {
  const { path, wall } = options
  const sidePath = `${path}.seq`
  const names = namesOf(database, { readOnly: false })
  const records = recordWriter(database, names)
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const selectMeta = database.prepare(SELECT_META)
  const selectPosition = database.prepare(SELECT_POSITION)
  selectPosition.setReturnArrays(true)
  const updateMeta = database.prepare(UPDATE_META)
  const updateAmnesia = database.prepare(UPDATE_AMNESIA)
  const passive = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
  let acknowledged = 0
  let noted = 0
  let lookedAt = Number.NEGATIVE_INFINITY

  const meta = (): Meta => selectMeta.get() as unknown as Meta
  const { file_id: id, created_at: createdAt } = meta()
  const file = fileId(path)
  /** Compares the ledger with what is remembered of it, once, before anything is served. */
  function look(): void {
    const found = meta()
    clock.raise(found.clock)
    acknowledged = found.sequence
    const remembered = readSideFile(sidePath)
    if (lossOf(remembered, present(found), clock.now()) === undefined) return
    begin.run()
    try {
      const now = meta()
      const loss = lossOf(remembered, present(now), clock.now())
      // Numbers that were given out before the loss must not be given out again: fences would repeat.
      acknowledged = Math.max(now.sequence, remembered?.sequence ?? 0)
      if (loss !== undefined) updateAmnesia.run(markWith(now.amnesia, loss))
      updateMeta.run(acknowledged, clock.now())
      commit.run()
    } finally {
      undo()
    }
    try {
      remember()
    } catch {
      // The mark is in the ledger; a side file that cannot be written only lets the next start set it again.
    }
  }

  const present = ({ sequence, clock: last }: Pick<Meta, 'sequence' | 'clock'>): Present => ({
    id,
    sequence,
    createdAt,
    clock: last,
  })

  function remember(): void {
    if (noted === acknowledged && noted !== 0) return
    const other = readSideFile(sidePath)
    // Another process may have come further; what it remembers is not taken back unless it remembers another file. Without
    // its own log this one does not know how far.
    const most = goneOf(path, file) === 'log' ? Infinity : meta().sequence
    const sequence = other?.id === id && other.sequence <= most ? Math.max(other.sequence, acknowledged) : acknowledged
    writeSideFile(sidePath, { id, sequence, createdAt })
    noted = acknowledged
  }

  function start(): Progress {
    begin.run()
    const [sequence, last, amnesia] = selectPosition.get() as unknown as Position
    clock.raise(last)
    const now = clock.now()
    if (sequence < acknowledged) {
      const loss = lossOf({ id, sequence: acknowledged, createdAt }, present({ sequence, clock: last }), now)
      if (loss !== undefined) updateAmnesia.run(markWith(amnesia, loss))
      return { now, sequence: acknowledged, amnesiaAt: now }
    }
    return { now, sequence, amnesiaAt: amnesia === null ? 0 : markOf(amnesia).at }
  }

  function apply(step: WritingStep, progress: Progress): WriteReply | undefined {
    switch (step[1]) {
      case 'write':
        return records.write(step, progress)
      case 'note':
        records.note(step, progress)
        return undefined
      case 'mark':
        return void updateAmnesia.run(step[2])
      case 'put-blob':
        records.putBlob(step, progress)
        return undefined
    }
  }

  function undo(): void {
    if (database.isTransaction) database.exec('ROLLBACK')
    names.forget()
    records.forget()
  }

  function assertThere(): void {
    const now = performance.now()
    if (now - lookedAt < FRESH_MS) return
    const gone = goneOf(path, file)
    if (gone !== undefined) throw unavailable(goneMessage(path, gone), { broken: true })
    lookedAt = now
  }

  function transaction(steps: WritingStep[], more: () => readonly WritingStep[]): Replies {
    assertThere()
    const progress = start()
    const applied: number[] = []
    const others: Reply[] = []
    for (let next: readonly WritingStep[] = steps.slice(); next.length > 0; next = takeMore(steps, more)) {
      for (const step of next) {
        const answer = apply(step, progress)
        if (isApplied(answer)) applied.push(step[0], answer[2], answer[3])
        else others.push([step[0], 1, answer])
      }
    }
    updateMeta.run(progress.sequence, progress.now)
    try {
      commit.run()
    } catch (error) {
      throw new FailureError(failureOf(error, path, 'unknown'))
    }
    acknowledged = progress.sequence
    return [progress.now, progress.amnesiaAt, applied, others]
  }

  /**
   * Only a log that is folded in to its last page is written from its beginning again. SQLite counts the pages when it
   * begins, so whatever was written meanwhile shows the next time.
   */
  function checkpoint(): void {
    if (goneOf(path, file) === 'log') return
    let before: number | undefined
    for (let times = 0; times < CHECKPOINTS; times += 1) {
      const { log, checkpointed } = passive.get() as { log: number; checkpointed: number }
      if (log === before && log === checkpointed) return
      before = log
    }
  }

  function makeRoom(): void {
    try {
      begin.run()
    } catch {
      // Another one writes, and makes it too.
      return
    }
    makeLogRoom(path)
    database.exec('ROLLBACK')
  }

  /** While the wall clock is behind, only the ledger knows how late it was when somebody last looked. */
  function keepClock(): void {
    const now = clock.now()
    if (now <= wall()) return
    try {
      database.prepare(RAISE_CLOCK).run(now)
    } catch {
      // Another's lock, or a full disk: the time of the last write stands.
    }
  }

  const refused = (steps: readonly WritingStep[], failure: Failure): Outcome => ({
    replies: [withoutApplied(steps.map((step): Reply => [step[0], 0, failure]))],
    broken: failure.broken,
  })

  function write(steps: WritingStep[], more: () => readonly WritingStep[]): Outcome | 'busy' {
    try {
      return { replies: [transaction(steps, more)], broken: false }
    } catch (error) {
      const began = database.isTransaction
      undo()
      if (isBusy(error) && !began) return 'busy'
      if (concernsFile(error) || steps.length === 1) return refused(steps, failureOf(error, path))
    }
    // One step is at fault; alone, each of the others is not held back by it.
    const outcomes = steps.map((step) => {
      const outcome = write([step], () => [])
      // Others are written by now, so the whole cannot wait and be tried again.
      return outcome === 'busy' ? refused([step], busyFailure(path)) : outcome
    })
    return {
      replies: outcomes.flatMap((outcome) => outcome.replies),
      broken: outcomes.some((outcome) => outcome.broken),
    }
  }

  look()
  return {
    database,
    names,
    clock,
    file,
    write,
    assertThere,
    remember,
    checkpoint,
    makeRoom,
    close() {
      try {
        remember()
        if (goneOf(path, file) !== 'log') keepClock()
      } finally {
        database.close()
      }
    },
  }
}

const isApplied = (answer: WriteReply | undefined): answer is Extract<WriteReply, readonly [1, ...unknown[]]> =>
  answer?.[0] === 1

/** Steps that arrived while the transaction was at work join it: they share its sync. */
function takeMore(steps: WritingStep[], more: () => readonly WritingStep[]): readonly WritingStep[] {
  const joined = more()
  steps.push(...joined)
  return joined
}

const markOf = (column: string): AmnesiaMark => JSON.parse(column) as AmnesiaMark

/** A second loss does not shorten the first. */
function markWith(standing: string | null, loss: AmnesiaMark): string {
  const earlier = standing === null ? undefined : markOf(standing)
  return JSON.stringify({ ...loss, lossFrom: Math.min(loss.lossFrom, earlier?.lossFrom ?? loss.lossFrom) })
}
