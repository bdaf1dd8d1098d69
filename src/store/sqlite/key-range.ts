/** Bytes from `low` up to but not including `high`. */
export interface KeyRange {
  readonly low: Uint8Array
  readonly high: Uint8Array
}

const PREFIX = 'of1_'
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const DIGEST_BYTES = 32
const DIGEST_LENGTH = 43
const BITS = 6n
const TEXT = 1
const TEXT_IN_UTF16 = 2
const NARROW = 8

const NOTHING: KeyRange = { low: new Uint8Array(0), high: new Uint8Array(0) }
const ABOVE_ALL = new Uint8Array(DIGEST_BYTES + 1).fill(0xff)

/**
 * The columns of all operation keys that begin with `prefix`; undefined when none can. Only columns of 32 bytes count:
 * other texts may lie between them.
 */
export function digestRange(prefix: string): KeyRange | undefined {
  if (PREFIX.startsWith(prefix)) return { low: new Uint8Array(0), high: ABOVE_ALL }
  if (!prefix.startsWith(PREFIX) || prefix.length > PREFIX.length + DIGEST_LENGTH) return undefined
  let value = 0n
  for (const character of prefix.slice(PREFIX.length)) {
    const digit = ALPHABET.indexOf(character)
    if (digit === -1) return undefined
    value = (value << BITS) | BigInt(digit)
  }
  const shift = BITS * BigInt(DIGEST_LENGTH - (prefix.length - PREFIX.length))
  // 43 characters carry 258 bits, two more than 32 bytes have; in a key the last two are zero.
  const low = ((value << shift) + 3n) >> 2n
  const high = (((value + 1n) << shift) + 3n) >> 2n
  return low >= 1n << 256n ? undefined : { low: bytesOf(low), high: high >= 1n << 256n ? ABOVE_ALL : bytesOf(high) }
}

/** The columns of all other keys that begin with `prefix`: those of well-formed text, and those with lone surrogates. */
export function textRanges(prefix: string): readonly [KeyRange, KeyRange] {
  const utf8 = prefix.isWellFormed() ? behind(TEXT, Buffer.from(prefix, 'utf8')) : NOTHING
  return [utf8, behind(TEXT_IN_UTF16, Buffer.from(prefix, 'utf16le'))]
}

/** True when a prefix is long enough for its ranges to be a small part of a ledger. */
export function isNarrow(prefix: string): boolean {
  return prefix.length >= NARROW
}

function behind(tag: number, bytes: Uint8Array): KeyRange {
  const low = Uint8Array.of(tag, ...bytes)
  const high = Uint8Array.from(low)
  // The tag is far below 255, so the carry always ends.
  let at = high.length - 1
  while (high[at] === 0xff) at -= 1
  high[at] = (high[at] as number) + 1
  return { low, high: high.subarray(0, at + 1) }
}

function bytesOf(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(DIGEST_BYTES * 2, '0'), 'hex'))
}
