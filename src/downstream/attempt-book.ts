import type { LogicalRequest } from './lines.ts'

/** What was counted of one client's requests to one host, for one tool. */
export interface AttemptRow {
  /** The tool; `(run)` for requests of a run outside any tool, `(none)` outside any run. */
  readonly tool: string
  readonly host: string
  /** The library that made them, as far as its headers tell. */
  readonly client: string
  /** Calls of the tool. */
  calls: number
  /** Requests that were wanted. */
  requests: number
  /** Requests that were made. */
  attempts: number
  /** Attempts that a budget or a closed operation stopped before their first byte. */
  refused: number
  /** Attempts of a POST or PATCH that carried no key. */
  keyless: number
}

/** All that was counted in this process. */
export interface AttemptReport {
  readonly requests: number
  readonly attempts: number
  readonly refused: number
  readonly keyless: number
  /** Attempts for each wanted request; 1 without retries. */
  readonly amplification: number
  /** The most amplified first. */
  readonly rows: readonly Readonly<AttemptRow & { readonly amplification: number }>[]
}

/** What happened to one attempt. */
export interface Counted {
  readonly tool: string
  readonly host: string
  readonly client: string
  readonly request: LogicalRequest
  /** Stands for the call: an object that is its own. */
  readonly call: object
  readonly refused: boolean
  readonly keyless: boolean
}

/** Rows that are kept; what comes after is counted in one row of its own. */
const MOST_ROWS = 1_000

interface Entry {
  readonly row: AttemptRow
  calls: WeakSet<object>
  requests: WeakSet<object>
}

const entries = new Map<string, Entry>()

/** Counts one attempt. */
export function count(attempt: Counted): void {
  const { row, calls, requests } = entryOf(attempt)
  if (!calls.has(attempt.call)) {
    calls.add(attempt.call)
    row.calls += 1
  }
  if (!requests.has(attempt.request)) {
    requests.add(attempt.request)
    row.requests += 1
  }
  if (attempt.refused) row.refused += 1
  else row.attempts += 1
  if (attempt.keyless && !attempt.refused) row.keyless += 1
}

function entryOf({ tool, host, client }: Counted): Entry {
  const key = `${tool}\n${host}\n${client}`
  const known = entries.get(key)
  if (known !== undefined) return known
  const full = entries.size >= MOST_ROWS
  const named = full ? { tool: '(others)', host: '', client: '' } : { tool, host, client }
  const place = full ? '(others)' : key
  const entry = entries.get(place) ?? {
    row: { ...named, calls: 0, requests: 0, attempts: 0, refused: 0, keyless: 0 },
    calls: new WeakSet(),
    requests: new WeakSet(),
  }
  entries.set(place, entry)
  return entry
}

/** What was counted so far: by `ctx.fetch`, by `protectFetch`, and by `onefold/register` where it is loaded. */
export function attemptReport(): AttemptReport {
  const rows = Array.from(entries.values(), ({ row }) => ({ ...row, amplification: ratio(row) })).toSorted(
    (a, b) => b.amplification - a.amplification || b.attempts - a.attempts,
  )
  const sum = (name: 'requests' | 'attempts' | 'refused' | 'keyless'): number =>
    rows.reduce((total, row) => total + row[name], 0)
  const totals = { requests: sum('requests'), attempts: sum('attempts') }
  return { ...totals, refused: sum('refused'), keyless: sum('keyless'), amplification: ratio(totals), rows }
}

/** Forgets what was counted. */
export const clearAttempts = (): void => entries.clear()

const ratio = ({ requests, attempts }: { readonly requests: number; readonly attempts: number }): number =>
  requests === 0 ? 1 : Math.round((attempts / requests) * 100) / 100
