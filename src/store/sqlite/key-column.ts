/**
 * An operation key, as the room `key` has it (a test holds the two equal): 43 characters carry two bits more than
 * 32 bytes, and those are zero. Not imported, so that the worker does not have to load that room to start.
 */
const OPERATION_KEY = /^of1_[\w-]{42}[AEIMQUYcgkosw048]$/
const PREFIX = 'of1_'
const DIGEST_BYTES = 32
const TEXT = 1
const TEXT_IN_UTF16 = 2
/** Never occurs in UTF-8, so a padded text is no other text. */
const PAD = 0xff

/**
 * The bytes under which a key is indexed: the 32 bytes of an operation key, or for any other text a tag and its bytes,
 * never 32 long. One to one, so distinct keys never meet.
 */
export function keyToColumn(key: string): Uint8Array {
  if (OPERATION_KEY.test(key)) return new Uint8Array(Buffer.from(key.slice(PREFIX.length), 'base64url'))
  if (!key.isWellFormed()) return tagged(TEXT_IN_UTF16, Buffer.from(key, 'utf16le'), false)
  const bytes = Buffer.from(key, 'utf8')
  return tagged(TEXT, bytes, bytes.length + 1 === DIGEST_BYTES)
}

function tagged(tag: number, bytes: Uint8Array, padded: boolean): Uint8Array {
  const column = new Uint8Array(bytes.length + (padded ? 2 : 1))
  column[0] = tag
  column.set(bytes, 1)
  if (padded) column[column.length - 1] = PAD
  return column
}

/** The inverse of {@link keyToColumn}. */
export function keyFromColumn(column: Uint8Array): string {
  if (column.length === DIGEST_BYTES) {
    return PREFIX + Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('base64url')
  }
  const bytes = Buffer.from(column.buffer, column.byteOffset + 1, column.byteLength - 1)
  if (column[0] === TEXT_IN_UTF16) return bytes.toString('utf16le')
  return bytes.toString('utf8', 0, bytes[bytes.length - 1] === PAD ? bytes.length - 1 : bytes.length)
}
