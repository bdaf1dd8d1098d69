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
   * The request that a send is part of: that of an earlier, failed send with the same method, path and body (then it is
   * its retry), or else a new one.
   */
  begin(operation: string, body: BodyTrace): LogicalRequest
}

interface Entry extends LogicalRequest {
  body: BodyTrace
  failed: boolean
}

/** Lines of their own; an operation's are those of its port ({@link linesOf}). */
export function createLines(): Lines {
  const entries = new Map<string, Entry[]>()
  return {
    begin: (operation, body) => {
      const known = entries.get(operation) ?? []
      const retried = known.find((entry) => entry.failed && mayBeSame(entry.body, body))
      if (retried !== undefined) {
        retried.failed = false
        return retried
      }
      const entry: Entry = {
        operation,
        ordinal: known.length,
        attempts: 0,
        body,
        failed: false,
        settle: (how) => {
          entry.failed = how === 'failed'
          if (how === 'answered') entry.body = undefined
        },
      }
      known.push(entry)
      entries.set(operation, known)
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
