import { resolveLimits, type JsonLimits } from './limits.ts'
import { numberFromLiteral } from './number.ts'
import { refusal } from './refuse.ts'
import { readString, type Cursor } from './string-literal.ts'

interface Frame {
  readonly list: unknown[] | undefined
  readonly members: Record<string, unknown> | undefined
  /** Where the value being read belongs; undefined before an object's first name. */
  place: string | number | undefined
}

const COMMA = 0x2c
const CLOSE_LIST = 0x5d
const CLOSE_MEMBERS = 0x7d

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function skipSpace(cursor: Cursor): number {
  for (;;) {
    const code = cursor.text.charCodeAt(cursor.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code
    cursor.at += 1
  }
}

function skipDigits(cursor: Cursor, fail: (reason: string) => never): void {
  if (!isDigit(cursor.text.charCodeAt(cursor.at))) fail('a digit is missing in a number')
  while (isDigit(cursor.text.charCodeAt(cursor.at))) cursor.at += 1
}

function readNumber(cursor: Cursor, fail: (reason: string) => never): number | bigint {
  const { text, at: start } = cursor
  let integer = true
  if (text[cursor.at] === '-') cursor.at += 1
  if (text[cursor.at] === '0') cursor.at += 1
  else skipDigits(cursor, fail)
  if (text[cursor.at] === '.') {
    integer = false
    cursor.at += 1
    skipDigits(cursor, fail)
  }
  if (text[cursor.at] === 'e' || text[cursor.at] === 'E') {
    integer = false
    cursor.at += 1
    if (text[cursor.at] === '+' || text[cursor.at] === '-') cursor.at += 1
    skipDigits(cursor, fail)
  }
  return numberFromLiteral(text.slice(start, cursor.at), integer, fail)
}

function readScalar(cursor: Cursor, code: number, fail: (reason: string) => never): unknown {
  if (code === 0x22) return readString(cursor, fail)
  if (code === 0x2d || isDigit(code)) return readNumber(cursor, fail)
  for (const [word, value] of [
    ['true', true],
    ['false', false],
    ['null', null],
  ] as const) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length
      return value
    }
  }
  return fail(cursor.at < cursor.text.length ? 'a JSON value is expected here' : 'the text ends before the value')
}

/** Sets an own property whatever its name, so that `__proto__` is data and a frozen prototype no obstacle. */
function setMember(members: Record<string, unknown>, name: string, value: unknown): void {
  if (name in members) {
    Object.defineProperty(members, name, { value, writable: true, enumerable: true, configurable: true })
  } else {
    members[name] = value
  }
}

function toText(input: string | Uint8Array, maxBytes: number): string {
  const tooLarge = `the text is larger than ${maxBytes} bytes`
  if (typeof input === 'string') {
    if (input.length > maxBytes || Buffer.byteLength(input) > maxBytes) throw refusal([], tooLarge)
    return input
  }
  if (!(input instanceof Uint8Array)) throw refusal([], 'JSON must be given as a string or as bytes')
  if (input.byteLength > maxBytes) throw refusal([], tooLarge)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)
  } catch (cause) {
    throw refusal([], 'the bytes are not UTF-8', cause)
  }
}

/**
 * Parses a JSON text (RFC 8259) without merging texts that mean different things: duplicate member names, lone
 * surrogates, invalid UTF-8, a byte order mark, anything after the value, and numbers that would become another
 * integer are refused. Integer literals beyond ±(2^53-1) become bigints; other fractions the nearest double.
 *
 * `__proto__` and its like are ordinary own members of ordinary objects. Iterative, linear in time.
 * @throws OnefoldError INPUT_INVALID with `details.path` (as `$.items[3].sku`) and `details.reason`
 */
export function parseJson(input: string | Uint8Array, limits?: JsonLimits): unknown {
  const { maxBytes, maxDepth } = resolveLimits(limits)
  const cursor: Cursor = { text: toText(input, maxBytes), at: 0 }
  const frames: Frame[] = []
  const fail = (reason: string): never => {
    throw refusal(
      frames.flatMap((frame) => frame.place ?? []),
      reason,
    )
  }
  const readName = (frame: Frame, members: Record<string, unknown>): void => {
    frame.place = undefined
    if (skipSpace(cursor) !== 0x22) fail('a member name in quotes is expected here')
    const name = readString(cursor, fail)
    frame.place = name
    if (Object.hasOwn(members, name)) fail('the member name occurs twice')
    if (skipSpace(cursor) !== 0x3a) fail('a colon is expected after the member name')
    cursor.at += 1
  }

  for (;;) {
    const code = skipSpace(cursor)
    let value: unknown
    if (code === 0x5b || code === 0x7b) {
      if (frames.length >= maxDepth) fail(`nested more than ${maxDepth} deep`)
      cursor.at += 1
      const list: unknown[] | undefined = code === 0x5b ? [] : undefined
      const members: Record<string, unknown> | undefined = list === undefined ? {} : undefined
      if (skipSpace(cursor) === (list === undefined ? CLOSE_MEMBERS : CLOSE_LIST)) {
        cursor.at += 1
        value = list ?? members
      } else {
        const frame: Frame = { list, members, place: list === undefined ? undefined : 0 }
        frames.push(frame)
        if (members !== undefined) readName(frame, members)
        continue
      }
    } else {
      value = readScalar(cursor, code, fail)
    }

    for (;;) {
      const frame = frames.at(-1)
      const next = skipSpace(cursor)
      if (frame === undefined) {
        if (cursor.at < cursor.text.length) fail('there is more text after the value')
        return value
      }
      if (frame.list !== undefined) frame.list.push(value)
      else setMember(frame.members as Record<string, unknown>, String(frame.place), value)
      if (next === COMMA) {
        cursor.at += 1
        if (frame.members !== undefined) readName(frame, frame.members)
        else frame.place = Number(frame.place) + 1
        break
      }
      if (next !== (frame.list === undefined ? CLOSE_MEMBERS : CLOSE_LIST))
        fail('a comma or the closing bracket is expected')
      cursor.at += 1
      value = frame.list ?? frame.members
      frames.pop()
    }
  }
}
