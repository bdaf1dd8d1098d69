/** One event of a stream (WHATWG HTML, server-sent events). */
export interface SseEvent {
  /** As it came, with the blank line that ends it. */
  readonly raw: string
  readonly id: string | undefined
  /** The `data` lines, joined; undefined for an event that has none, such as a comment. */
  readonly data: string | undefined
  /** Milliseconds that a client waits before it comes back. */
  readonly retryMs: number | undefined
}

const LINE_END = /\r\n|\n|\r/

/** Cuts a stream into events. @throws an Error from `push` for an event that is larger than the limit */
export function sseReader(maxBytes: number, onEvent: (event: SseEvent) => void): { push(chunk: Buffer): void } {
  const decoder = new TextDecoder()
  // What was searched already: an event of many chunks is put together once, and not searched from its start each time.
  let held: string[] = []
  let length = 0
  let rest = ''
  return {
    push(chunk) {
      rest += decoder.decode(chunk, { stream: true })
      for (let end = endOfEvent(rest); end !== undefined; end = endOfEvent(rest)) {
        held.push(rest.slice(0, end))
        rest = rest.slice(end)
        const raw = held.join('')
        held = []
        length = 0
        onEvent(readEvent(raw))
      }
      if (length + rest.length > maxBytes)
        throw new Error(`an event of the MCP server is larger than ${maxBytes} bytes`)
      const searched = rest.length - MOST_UNSEEN
      if (searched <= 0) return
      held.push(rest.slice(0, searched))
      length += searched
      rest = rest.slice(searched)
    },
  }
}

/** One character less than the longest end of an event: so much of it may be there without being seen. */
const MOST_UNSEEN = 3

/** Behind the blank line. A carriage return at the very end may be the first half of a line end. */
function endOfEvent(text: string): number | undefined {
  const ends = new RegExp(LINE_END, 'g')
  for (let found = ends.exec(text); found !== null; found = ends.exec(text)) {
    const next = ends.lastIndex
    const second = lineEndAt(text, next)
    if (second > 0 && !(text[next] === '\r' && next + 1 === text.length)) return next + second
  }
  return undefined
}

function lineEndAt(text: string, at: number): number {
  if (text[at] === '\n') return 1
  if (text[at] !== '\r') return 0
  return text[at + 1] === '\n' ? 2 : 1
}

function readEvent(raw: string): SseEvent {
  let id: string | undefined
  let retryMs: number | undefined
  const data: string[] = []
  for (const line of raw.split(LINE_END)) {
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'id' && !value.includes('\0')) id = value
    else if (field === 'retry' && /^\d+$/.test(value)) retryMs = Number(value)
  }
  return { raw, id, data: data.length === 0 ? undefined : data.join('\n'), retryMs }
}

/** An event of ours with a JSON document, which a server may have printed over several lines. */
export const eventOf = (document: string, id?: string): string => {
  const lines = document.trimEnd().split(LINE_END)
  return `${id === undefined ? '' : `id: ${id}\n`}event: message\n${lines.map((line) => `data: ${line}\n`).join('')}\n`
}
