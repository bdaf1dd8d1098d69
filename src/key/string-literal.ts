/** A place in a JSON text. */
export interface Cursor {
  readonly text: string
  at: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LOWER_U = 0x75

function simpleEscape(code: number): string | undefined {
  switch (code) {
    case QUOTE:
      return '"'
    case BACKSLASH:
      return '\\'
    case 0x2f:
      return '/'
    case 0x62:
      return '\b'
    case 0x66:
      return '\f'
    case 0x6e:
      return '\n'
    case 0x72:
      return '\r'
    case 0x74:
      return '\t'
    default:
      return undefined
  }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x61 && code <= 0x66) return code - 0x57
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  return -1
}

/** Four hex digits at `at`, or -1. */
function codeUnit(text: string, at: number): number {
  let unit = 0
  for (let i = at; i < at + 4; i += 1) {
    const digit = hexDigit(text.charCodeAt(i))
    if (digit < 0) return -1
    unit = unit * 16 + digit
  }
  return unit
}

const LONE = 'a lone surrogate is not text'

/** Reads the escape at the cursor (which is on the backslash) and moves behind it. */
function readEscape(cursor: Cursor, fail: (reason: string) => never): string {
  const { text } = cursor
  const code = text.charCodeAt(cursor.at + 1)
  if (code !== LOWER_U) {
    const simple = simpleEscape(code)
    if (simple === undefined) return fail('an escape that JSON does not know')
    cursor.at += 2
    return simple
  }
  const unit = codeUnit(text, cursor.at + 2)
  if (unit < 0) return fail('\\u needs four hex digits')
  cursor.at += 6
  if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit)
  const paired = text.charCodeAt(cursor.at) === BACKSLASH && text.charCodeAt(cursor.at + 1) === LOWER_U
  const low = paired ? codeUnit(text, cursor.at + 2) : -1
  if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) return fail(LONE)
  cursor.at += 6
  return String.fromCharCode(unit, low)
}

/**
 * Reads the string whose opening quote is at the cursor and moves behind its closing quote.
 * `fail` must throw; it is called for bad escapes, control characters, lone surrogates (raw or escaped: in UTF-8
 * they would all become U+FFFD, so different strings would be the same key) and a missing closing quote.
 */
export function readString(cursor: Cursor, fail: (reason: string) => never): string {
  const { text } = cursor
  cursor.at += 1
  let start = cursor.at
  let value = ''
  for (;;) {
    const code = text.charCodeAt(cursor.at)
    if (code === QUOTE || code === BACKSLASH) {
      const raw = text.slice(start, cursor.at)
      if (!raw.isWellFormed()) return fail(LONE)
      value += raw
      if (code === QUOTE) {
        cursor.at += 1
        return value
      }
      value += readEscape(cursor, fail)
      start = cursor.at
    } else if (code >= 0x20) {
      cursor.at += 1
    } else {
      return fail(cursor.at < text.length ? 'a control character must be escaped' : 'the string has no closing quote')
    }
  }
}
