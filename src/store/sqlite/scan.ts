import { PAGE_BYTES } from '../../engine/index.ts'
import type { Row, Value } from './columns.ts'
import { digestRange, isNarrow, textRanges } from './key-range.ts'
import type { Ledger } from './ledger.ts'
import { SCAN_ALL, SCAN_DUE, SCAN_KEYS, SCAN_KEYS_IN_WINDOW, SCAN_OPEN, SCAN_RUN, WINDOW_END } from './scan.sql.ts'
import type { StatementSync } from './sqlite-module.ts'
import { LAST_OPEN } from './states.ts'
import { toColumn } from './text.ts'
import type { Scan, ScanReply } from './wire.ts'
import { withNames } from './write-step.ts'

/** Rows that one step may look at where no index helps: a few milliseconds of the worker. */
const WINDOW = 2_000

/** One step of a scan. Fewer rows than the limit do not mean its end: `next` says where to go on. */
export function scanner(ledger: Ledger): (scan: Scan) => ScanReply {
  const { database, names, clock } = ledger
  const prepare = (text: string): StatementSync => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    statement.setAllowUnknownNamedParameters(true)
    return statement
  }
  const all = prepare(SCAN_ALL)
  const keys = prepare(SCAN_KEYS)
  const keysInWindow = prepare(SCAN_KEYS_IN_WINDOW)
  const open = prepare(SCAN_OPEN)
  const run = prepare(SCAN_RUN)
  const due = prepare(SCAN_DUE)
  const windowEnd = database.prepare(WINDOW_END)

  /** The statement that an index serves; undefined where windows have to be looked through. */
  function indexed(scan: Scan): StatementSync | undefined {
    if (scan.kind === 'due') return due
    if (scan.keyPrefix !== undefined) return isNarrow(scan.keyPrefix) ? keys : undefined
    if (scan.run !== undefined) return run
    return scan.states?.every((state) => state <= LAST_OPEN) === true ? open : undefined
  }

  return (scan) => {
    const now = clock.now()
    const tenant = scan.tenant === undefined ? null : names.find(scan.tenant)
    const tool = scan.tool === undefined ? null : names.find(scan.tool)
    if (tenant === undefined || tool === undefined) return { rows: [], next: undefined, now, isFull: false }
    const values: Record<string, Value> = {
      after: scan.after,
      limit: scan.limit,
      tenant,
      tool,
      run: scan.run === undefined ? null : toColumn(scan.run),
      states: scan.states === undefined ? null : JSON.stringify(scan.states),
      updatedBefore: scan.updatedBefore ?? null,
      now,
      ...(scan.keyPrefix === undefined ? {} : rangesOf(scan.keyPrefix)),
    }
    const reply = (statement: StatementSync, beyond: number | undefined): ScanReply => {
      const rows: Row[] = []
      let bytes = 0
      for (const row of statement.iterate(values) as unknown as Iterable<Row>) {
        rows.push(row)
        bytes += bytesOf(row)
        if (bytes >= PAGE_BYTES) break
      }
      const isFull = bytes >= PAGE_BYTES
      const next = isFull || rows.length === scan.limit ? (rows.at(-1)?.[0] as number) : beyond
      return { rows: rows.map((row) => withNames(row, names)), next, now, isFull }
    }
    const statement = indexed(scan)
    if (statement !== undefined) return reply(statement, undefined)
    const end = windowEnd.get({ after: scan.after, window: WINDOW }) as { last: number | null; count: number }
    if (end.last === null) return { rows: [], next: undefined, now, isFull: false }
    values['last'] = end.last
    return reply(scan.keyPrefix === undefined ? all : keysInWindow, end.count < WINDOW ? undefined : end.last)
  }
}

/** About: what is large in a row is text. */
const bytesOf = (row: Row): number =>
  row.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0)

function rangesOf(keyPrefix: string): Record<string, Uint8Array> {
  const nothing = new Uint8Array(0)
  const digests = digestRange(keyPrefix) ?? { low: nothing, high: nothing }
  const [text, other] = textRanges(keyPrefix)
  return {
    low: digests.low,
    high: digests.high,
    textLow: text.low,
    textHigh: text.high,
    otherLow: other.low,
    otherHigh: other.high,
  }
}
