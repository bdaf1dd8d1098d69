import { randomUUID } from 'node:crypto'
import { stamp, type OperationRecord, type StoreTransaction, type Write, type WriteAnswer } from '../../engine/index.ts'
import { itemOf, type Row } from './columns.ts'
import type { Driver } from './driver.ts'
import { codeOf, endedByTool, errorOf, isChanged, wasRefused } from './failure.ts'
import { literal } from './text.ts'
import { writeScript } from './write.sql.ts'
import { stepOf, type Writers } from './writers.ts'

/** How long a transaction that its process has forgotten may keep its rows from others, beyond what its tool may take. */
const FORGOTTEN_MS = 30_000
/** What the server takes for a time. */
const LONGEST_MS = 2 ** 31 - 1

export interface TransactionOptions {
  readonly driver: Driver
  /** Quoted. */
  readonly schema: string
  readonly writers: Writers
  readonly what: string
  /** How long another's lock on the record is waited for. */
  readonly patienceMs: number
  /** How long the tool may take, pauses between its statements included. */
  readonly lastsMs: number
  /** A transaction over this key has ended. */
  readonly told: (key: string) => void
  /** What is there instead of what the writes expected. */
  conflict(writes: readonly Write[]): Promise<WriteAnswer>
}

/**
 * Begins a transaction that a tool works in. Its writes and COMMIT travel as one message, so that no pause of this
 * process lies between them: either both reach the server or neither does.
 */
export async function beginTransaction(options: TransactionOptions): Promise<StoreTransaction> {
  const { driver, schema, writers, what } = options
  const mark = randomUUID()
  const idleMs = Math.min(Math.ceil(options.lastsMs) + FORGOTTEN_MS, LONGEST_MS)
  const opened = await driver
    .begin(
      `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = ${idleMs};
       SET LOCAL onefold.attempt = ${literal(mark)}; SET onefold.ended = ${literal(mark)}`,
    )
    .catch((error: unknown) => {
      throw errorOf(error, what)
    })

  async function commit(writes: readonly Write[]): Promise<WriteAnswer> {
    const writer = writers.borrow()
    // The tool has ended our transaction if its mark is gone: then the effect may stand without the record. So it would
    // where `meta` has no row: the step then does nothing.
    const guard = `DO $$ BEGIN IF current_setting('onefold.attempt', true) IS DISTINCT FROM ${literal(mark)} THEN
      RAISE EXCEPTION 'the tool ended the transaction of the engine' USING ERRCODE = 'OF004'; END IF;
      IF NOT EXISTS (SELECT FROM ${schema}.meta) THEN
      RAISE EXCEPTION 'the table meta has no row' USING ERRCODE = 'OF005'; END IF; END $$`
    const terms = { remembered: writers.remembered(writer), strict: true, patienceMs: options.patienceMs }
    const step = writeScript(schema, writes.map(itemOf), terms)
    let broken = true
    try {
      const rows = await opened.script(`${step}; ${guard}; RESET onefold.ended; COMMIT; BEGIN`)
      broken = false
      const sequences = rows.map((row) => writers.answered(writer, stepOf(row)))
      return { ...answerOf(writes, rows), sequence: sequences.at(-1) ?? 0 }
    } catch (error) {
      if (wasRefused(error)) broken = false
      if (isChanged(error)) return await options.conflict(writes)
      throw isOfTool(error) ? error : errorOf(error, what)
    } finally {
      writers.giveBack(writer)
      await opened.end(broken)
      for (const { key } of writes) options.told(key)
    }
  }

  /** A setting of the session that was made in a transaction lasts only where that has committed: the tool did it then. */
  async function rollback(): Promise<void> {
    const [row] = await opened.end(false, `SELECT current_setting('onefold.ended', true) AS mark`)
    if (row?.['mark'] === mark) throw errorOf(endedByTool(), what)
  }

  return { handle: opened.handle, commit, rollback }
}

/** What the tool did does not hold together: a constraint that is checked at COMMIT, or an error that it passed over. */
const isOfTool = (error: unknown): boolean => /^(?:22|23|25P02|2D|P0)/.test(codeOf(error) ?? '')

/** What the last of several writes on one record came to. */
function answerOf(writes: readonly Write[], rows: readonly Row[]): Omit<WriteAnswer, 'sequence'> {
  let record: OperationRecord | undefined
  for (const [n, { draft, expect }] of writes.entries()) {
    const { at, number, lease } = rows[n] as Row
    const current = expect === 0 ? undefined : { revision: expect, leaseUntil: Number(lease ?? 0) }
    record = draft === undefined ? undefined : stamp(draft, current, Number(at), Number(number))
  }
  const last = rows.at(-1) as Row
  return { applied: true, record, now: Number(last['at']), amnesiaAt: Number(last['amnesia']) }
}
