/** What can be compared of a request's body: its text or bytes, its length where only that is seen, undefined for neither. */
export type BodyTrace = string | Uint8Array | number | undefined

/** One request that an operation wants made; every physical attempt of it carries the same key. */
export interface LogicalRequest {
  /** `METHOD /path`. */
  readonly operation: string
  /** Tells wanted repeats of one operation apart, in the order of their first attempts. */
  readonly ordinal: number
  /** Physical attempts so far. */
  attempts: number
  /** Told once an attempt has ended; `failed` means that a repeat would be a retry. */
  settle(how: 'failed' | 'answered'): void
}

/** The requests of one attempt of an operation. */
export interface Lines {
  /**
   * The request that a send is part of: that of an earlier, failed send with the same method, path, query and body (then
   * it is its retry), or else a new one.
   * @param search the query, which stays out of the operation's name: that goes into keys, and is told
   */
  begin(operation: string, search: string, body: BodyTrace): LogicalRequest
}

interface Entry extends LogicalRequest {
  readonly search: string
  body: BodyTrace
  failed: boolean
}

/** The requests of one `METHOD /path`. */
interface Line {
  next: number
  /** What is under way, or has failed and may be retried. */
  readonly open: Set<Entry>
}

/**
 * Lines of their own; an operation's are those of its port ({@link linesOf}).
 * @param most operations that are remembered; beyond it the oldest is forgotten and counts from 0 again, which only
 * requests without keys can afford @default all
 */
export function createLines(most: number = Infinity): Lines {
  const lines = new Map<string, Line>()
  const lineOf = (operation: string): Line => {
    const known = lines.get(operation)
    if (known !== undefined) return known
    const line: Line = { next: 0, open: new Set() }
    lines.set(operation, line)
    if (lines.size > most) lines.delete(lines.keys().next().value ?? '')
    return line
  }
  return {
    begin: (operation, search, body) => {
      const line = lineOf(operation)
      for (const entry of line.open) {
        if (!entry.failed || entry.search !== search || !mayBeSame(entry.body, body)) continue
        entry.failed = false
        return entry
      }
      const entry: Entry = {
        operation,
        ordinal: line.next,
        attempts: 0,
        search,
        body,
        failed: false,
        settle: (how) => {
          entry.failed = how === 'failed'
          if (entry.failed) line.open.add(entry)
          else line.open.delete(entry)
        },
      }
      line.next += 1
      line.open.add(entry)
      return entry
    },
  }
}

const ofPorts = new WeakMap<object, Lines>()

/** The lines of an attempt, shared by everything that sends for it. */
export function linesOf(port: object): Lines {
  const known = ofPorts.get(port)
  if (known !== undefined) return known
  const lines = createLines()
  ofPorts.set(port, lines)
  return lines
}

function mayBeSame(a: BodyTrace, b: BodyTrace): boolean {
  if (a === undefined || b === undefined) return true
  if (typeof a === 'number' || typeof b === 'number') return lengthOf(a) === lengthOf(b)
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}

const lengthOf = (body: Exclude<BodyTrace, undefined>): number =>
  typeof body === 'number' ? body : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength

/**
 * Statuses after which clients send again: the request was not taken, or nobody knows (RFC 9110 sections 15.5.9 and
 * 15.6, RFC 6585 section 4, RFC 8470 section 5.2; 409 is Stripe's "in flight").
 */
export const isRetried = (status: number): boolean =>
  status >= 500 || status === 408 || status === 409 || status === 425 || status === 429
