import type { SendPort } from '../engine/index.ts'
import { createOrdinals } from './ordinals.ts'

/** What can be compared of a request's body: its text or bytes, its length where only that is seen, undefined for neither. */
export type BodyTrace = string | Uint8Array | number | undefined

/** One request that an operation wants made; every physical attempt of it carries the same key. */
export interface LogicalRequest {
  /** `METHOD /path`. */
  readonly operation: string
  /** Tells requests of one operation apart, in the order of their first attempts; on a re-run the same ones. */
  readonly ordinal: number
  /** Physical attempts so far. */
  attempts: number
  /** True while it goes on to where a redirect sent it: that send is no retry. */
  isHop: boolean
  /**
   * Told once an attempt has ended; `failed` means that a repeat would be a retry. `movedTo` is the origin that the
   * answer sends the same request on to: there it is still this one.
   */
  settle(how: 'failed' | 'answered', movedTo?: string): void
}

/** The requests of one attempt of an operation. */
export interface Lines {
  /**
   * The request that a send is part of: that of an earlier send with the same method, path, query and body that was
   * redirected to this origin, or failed (then it is its retry), or else a new one.
   * @param search the query, which stays out of the operation's name: that goes into keys, and is told
   */
  begin(operation: string, search: string, body: BodyTrace, origin?: string): LogicalRequest
}

interface Entry extends LogicalRequest {
  readonly search: string
  body: BodyTrace
  failed: boolean
  movedTo: string | undefined
}

/** By its `METHOD /path`. A read carries no key, and may be repeated. */
export const isRead = (operation: string): boolean => /^(?:GET|HEAD|OPTIONS) /.test(operation)

/** The requests of one `METHOD /path`. */
interface Line {
  readonly ordinal: (search: string, body: BodyTrace) => number
  /** What is under way, or has failed and may be retried. */
  readonly open: Set<Entry>
}

/**
 * Lines of their own; an operation's are those of its port ({@link linesOf}).
 * @param most operations, and failed requests of each, that are remembered; beyond it the oldest is forgotten and counts
 * from 0 again, which only requests without keys can afford @default all
 * @param lineage what attempts under the same keys share; undefined where there is only one
 */
export function createLines(most: number = Infinity, lineage?: string): Lines {
  const lines = new Map<string, Line>()
  const lineOf = (operation: string): Line => {
    const known = lines.get(operation)
    if (known !== undefined) return known
    let next = 0
    const isKeyed = lineage !== undefined && !isRead(operation)
    const ordinal = isKeyed ? createOrdinals(lineage, operation) : () => next++
    const line: Line = { ordinal, open: new Set() }
    lines.set(operation, line)
    if (lines.size > most) forgetFirst(lines)
    return line
  }
  return {
    begin: (operation, search, body, origin) => {
      const line = lineOf(operation)
      let found: Entry | undefined
      for (const entry of line.open) {
        const isHop = entry.movedTo !== undefined && entry.movedTo === origin
        if (!(isHop || (entry.failed && found === undefined))) continue
        if (entry.search !== search || !mayBeSame(entry.body, body)) continue
        found = entry
        if (isHop) break
      }
      if (found !== undefined) {
        found.isHop = found.movedTo !== undefined
        found.failed = false
        found.movedTo = undefined
        return found
      }
      const entry: Entry = {
        operation,
        ordinal: line.ordinal(search, body),
        attempts: 0,
        search,
        body,
        failed: false,
        movedTo: undefined,
        isHop: false,
        settle: (how, movedTo) => {
          entry.failed = how === 'failed'
          entry.movedTo = movedTo
          if (entry.failed || movedTo !== undefined) line.open.add(entry)
          else line.open.delete(entry)
        },
      }
      line.open.add(entry)
      if (line.open.size > most) forgetFirst(line.open)
      return entry
    },
  }
}

function forgetFirst<T>(all: Map<T, unknown> | Set<T>): void {
  for (const first of all.keys()) {
    all.delete(first)
    return
  }
}

const ofPorts = new WeakMap<object, Lines>()

/** The lines of an attempt, shared by everything that sends for it. */
export function linesOf(port: Partial<Pick<SendPort, 'lineage'>>): Lines {
  const known = ofPorts.get(port)
  if (known !== undefined) return known
  const lines = createLines(Infinity, port.lineage)
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
