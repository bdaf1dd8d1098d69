import type { ServerResponse } from 'node:http'
import { writeAnswer } from '../../http/edge/index.ts'
import type { Answer } from '../../http/exchange/index.ts'
import { eventOf } from './sse.ts'

/** What one request is answered with, as far as it has come: a stream of events, or one JSON document. */
export interface Relay {
  /** Status and headers that the server gave with what follows. */
  head(status: number, headers: Answer['headers']): void
  /** One event before the answer. With an id, it can be asked for again. */
  event(raw: string, id?: string): void
  /** The answer, or its pieces: as the last event where events went before, else as JSON. */
  line(line: string | readonly Buffer[], flushed?: () => void, status?: number): void
  lastId(id: string | undefined): void
  /** An answer that is no JSON-RPC message. */
  whole(answer: Answer): void
  /** The server ended its stream before the answer, and meant its client to come back for it. */
  pause(): void
  /** The client comes back for what followed the event `after`. */
  resume(outgoing: ServerResponse, after: string): void
  /** Keeps nothing any more: a client that comes back is told this line where the answer has gone out. */
  forget(line: string): void
  /** A stream that begins before there is anything to say. */
  open(): void
  /** There will be no answer: the client has taken its request back. */
  close(): void
  /** The connection cannot give an answer any more. */
  broken(): void
  /** True when events have gone out. */
  readonly begun: boolean
}

/** What is kept for a client that comes back. */
const MOST_EVENTS = 1_000
const MOST_BYTES = 4 * 1024 * 1024

const EVENT_STREAM: Answer['headers'] = [
  ['content-type', 'text/event-stream'],
  ['cache-control', 'no-cache, no-transform'],
  // Reverse proxies must not hold events back (MCP 2026-07-28, Streamable HTTP).
  ['x-accel-buffering', 'no'],
]

/** @param onKept told how many bytes more are kept for a client that comes back, and by which id it may */
export function createRelay(
  first: ServerResponse,
  onKept: (bytes: number, event: string | undefined) => void = () => undefined,
): Relay {
  let outgoing: ServerResponse | undefined = first
  let begun = false
  let headers: Answer['headers'] = []
  const kept: { readonly id: string; readonly raw: string }[] = []
  let keptBytes = 0
  let finalId: string | undefined
  let last: { readonly raw: string; readonly flushed: (() => void) | undefined } | undefined
  let forgotten: string | undefined
  /** Nothing comes any more: who comes back is not to wait for it. */
  let over = false

  function begin(to: ServerResponse): void {
    const flat: string[] = []
    const ours = new Set(EVENT_STREAM.map(([name]) => name))
    for (const [name, value] of headers) if (!ours.has(name)) flat.push(name, value)
    for (const [name, value] of EVENT_STREAM) flat.push(name, value)
    to.writeHead(200, flat)
    to.flushHeaders()
    begun = true
  }

  function finish(to: ServerResponse, text: string, flushed: (() => void) | undefined): void {
    if (flushed !== undefined) to.once('finish', flushed)
    to.end(text)
  }

  const usable = (to: ServerResponse | undefined): to is ServerResponse =>
    to !== undefined && !to.destroyed && !to.writableEnded

  return {
    get begun() {
      return begun
    },
    head(_status, given) {
      headers = given
    },
    event(raw, id) {
      const isFull = forgotten !== undefined || kept.length >= MOST_EVENTS || keptBytes >= MOST_BYTES
      if (id !== undefined && id !== '' && !isFull) {
        kept.push({ id, raw })
        keptBytes += raw.length
        onKept(raw.length, id)
      }
      if (!usable(outgoing)) return
      if (!begun) begin(outgoing)
      outgoing.write(raw)
    },
    lastId(id) {
      finalId = id
    },
    line(line, flushed, status = 200) {
      if (begun || kept.length > 0 || forgotten !== undefined) {
        const raw = eventOf(typeof line === 'string' ? line : Buffer.concat(line).toString(), finalId)
        if (usable(outgoing)) finish(outgoing, raw, flushed)
        last = forgotten === undefined ? { raw, flushed } : { raw: eventOf(forgotten, finalId), flushed: undefined }
        if (kept.length > 0) onKept(raw.length, undefined)
        return
      }
      if (!usable(outgoing)) return
      if (flushed !== undefined) outgoing.once('finish', flushed)
      writeAnswer(outgoing, {
        status,
        headers: [['content-type', 'application/json'], ...headers.filter(([name]) => name !== 'content-type')],
        body: typeof line === 'string' ? line.trimEnd() : line,
      })
    },
    whole(answer) {
      over = true
      if (!usable(outgoing)) return
      if (begun) outgoing.destroy()
      else writeAnswer(outgoing, answer)
    },
    pause() {
      if (usable(outgoing)) outgoing.end()
      outgoing = undefined
    },
    resume(to, after) {
      begin(to)
      const at = kept.findIndex(({ id }) => id === after)
      for (const { raw } of kept.slice(at + 1)) to.write(raw)
      if (last !== undefined) finish(to, last.raw, last.flushed)
      else if (over) to.end()
      else outgoing = to
    },
    forget(line) {
      forgotten = line
      kept.length = 0
      if (last !== undefined) last = { raw: eventOf(line, finalId), flushed: undefined }
    },
    open() {
      if (usable(outgoing) && !begun) begin(outgoing)
    },
    close() {
      over = true
      if (!usable(outgoing)) return
      if (!begun) begin(outgoing)
      outgoing.end()
    },
    broken() {
      over = true
      if (usable(outgoing)) outgoing.destroy()
      outgoing = undefined
    },
  }
}
