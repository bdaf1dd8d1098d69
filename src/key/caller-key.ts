import { OnefoldError } from '../error/index.ts'

const LONGEST = 255

function invalid(reason: string): OnefoldError {
  return new OnefoldError(
    'KEY_INVALID',
    `The idempotency key ${reason}. Nothing was done; send 1 to ${LONGEST} visible ASCII characters, bare or in quotes.`,
    { details: { reason } },
  )
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Takes off the quotes of an RFC 8941 string (section 3.3.3) and undoes its two escapes. */
function unquote(text: string): string {
  let value = ''
  let start = 1
  for (let i = 1; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) {
      const next = text.charCodeAt(i + 1)
      if (next !== 0x22 && next !== 0x5c) throw invalid('has a backslash that escapes neither a quote nor a backslash')
      value += text.slice(start, i)
      i += 1
      start = i
    } else if (code === 0x22) {
      if (i !== text.length - 1) throw invalid('goes on after its closing quote')
      return value + text.slice(start, i)
    }
  }
  throw invalid('has no closing quote')
}

/**
 * Reads an idempotency key as a caller sent it: bare, as nearly every client does, or as the quoted string of
 * RFC 8941 that draft-ietf-httpapi-idempotency-key-header section 2.1 demands; `"abc"` and `abc` are one key.
 * Blanks around it are taken off; what remains must be 1 to 255 visible ASCII characters.
 * @throws OnefoldError KEY_INVALID
 */
export function parseCallerKey(text: string): string {
  if (typeof text !== 'string') throw invalid('is not text')
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start += 1
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1
  // Twice the length holds every escape, and two quotes.
  if (end - start > 2 * LONGEST + 2) throw invalid(`is longer than ${LONGEST} characters`)
  const bare = text.slice(start, end)
  const key = bare.startsWith('"') ? unquote(bare) : bare
  if (key === '') throw invalid('is empty')
  if (key.length > LONGEST) throw invalid(`is longer than ${LONGEST} characters`)
  for (let i = 0; i < key.length; i += 1) {
    const code = key.charCodeAt(i)
    if (code < 0x21 || code > 0x7e) throw invalid('has a blank or a character that is not visible ASCII')
  }
  return key
}

/**
 * Whether an SDK made the key up for its own retries: new at every call of it, so that it says nothing of a call that an
 * agent makes again. stripe-node 22 does (RequestSender), and all that Stainless generates with an idempotency header
 * (`defaultIdempotencyKey`, as in openai 6).
 */
export const isSdkOwnKey = (key: string): boolean => /^(?:stripe|stainless)-node-retry-/.test(key)
