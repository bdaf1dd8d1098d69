/** Where a JSON value stands in a text: `text.slice(start, end)` is the value. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** One member of an object, in the order of the text. */
export interface Member extends Span {
  readonly name: string
  /** Where the member's name begins. */
  readonly nameStart: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = new Set([0x5b, 0x7b])
const CLOSE = new Set([0x5d, 0x7d])

/** First index from `at` on that is not JSON white space (RFC 8259 section 2). */
export function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at += 1
  }
}

/** Behind the string whose opening quote is at `at`. */
function skipString(text: string, at: number): number {
  for (let from = at + 1; ;) {
    const quote = text.indexOf('"', from)
    if (quote === -1) return text.length
    let before = quote - 1
    while (before > at && text.charCodeAt(before) === BACKSLASH) before -= 1
    if ((quote - before) % 2 === 1) return quote + 1
    from = quote + 1
  }
}

/** Behind the value that begins at `at`. The text is valid JSON: only brackets and strings are looked at. Iterative, linear. */
export function skipValue(text: string, at: number): number {
  let depth = 0
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = skipString(text, at)
    } else if (OPEN.has(code)) {
      depth += 1
      at += 1
      continue
    } else if (CLOSE.has(code)) {
      depth -= 1
      at += 1
    } else if (depth === 0) {
      return skipScalar(text, at)
    } else {
      at += 1
      continue
    }
    if (depth === 0 || at >= text.length) return at
  }
}

function skipScalar(text: string, at: number): number {
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x2c || code <= 0x20 || CLOSE.has(code)) return at
  }
  return at
}

/** The members of the object that begins at `at`, duplicates included; undefined where no object begins. The text is valid JSON. */
export function membersAt(text: string, at: number): readonly Member[] | undefined {
  if (text[at] !== '{') return undefined
  const members: Member[] = []
  at = skipSpace(text, at + 1)
  while (text[at] === '"') {
    const nameStart = at
    const nameEnd = skipString(text, at)
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, start)
    members.push({ name: nameOf(text, nameStart, nameEnd), nameStart, start, end })
    at = skipSpace(text, end)
    if (text[at] !== ',') break
    at = skipSpace(text, at + 1)
  }
  return members
}

/** Where the elements of the array that begins at `at` stand; undefined where none begins. The text is valid JSON. */
export function elementsAt(text: string, at: number): readonly Span[] | undefined {
  if (text[at] !== '[') return undefined
  const elements: Span[] = []
  let start = skipSpace(text, at + 1)
  while (text[start] !== ']' && start < text.length) {
    const end = skipValue(text, start)
    elements.push({ start, end })
    const next = skipSpace(text, end)
    if (text[next] !== ',') break
    start = skipSpace(text, next + 1)
  }
  return elements
}

function nameOf(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1)
  return plain.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : plain
}

/** The first name that occurs twice. */
export function duplicateOf(members: readonly Member[]): string | undefined {
  const seen = new Set<string>()
  for (const { name } of members) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return undefined
}

export const memberOf = (members: readonly Member[], name: string): Member | undefined =>
  members.find((member) => member.name === name)
