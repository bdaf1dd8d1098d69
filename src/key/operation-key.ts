import { OnefoldError } from '../error/index.ts'
import { canonicalize } from './canonicalize.ts'
import { digest, frameFields, type Secret } from './digest.ts'
import { refusal } from './refuse.ts'

/** What makes an operation the one that it is (protocol.md section 1). */
export interface OperationKeyParts {
  /** The contract's name; its version is in the record, not in the key. */
  readonly contract: string
  readonly tenant: string
  /** Name of the scope: `tenant`, `session`, `run`, `parent`. */
  readonly scope: string
  /** Which session, run or parent; an empty string for the tenant scope. */
  readonly scopeId: string
  /** Any value with a canonical form. A string is a value like any other: it is not read as JSON. */
  readonly identity: unknown
  /** Which of several wanted operations with the same identity, from 1. @default 1 */
  readonly occurrence?: number | undefined
  /** With a secret the key is an HMAC. @default none */
  readonly secret?: Secret | undefined
}

const PREFIX = 'of1_'
const DIGEST_LENGTH = 43

function text(parts: OperationKeyParts, name: 'contract' | 'tenant' | 'scope' | 'scopeId'): string {
  const value: unknown = parts[name]
  if (typeof value !== 'string') throw refusal([name], 'must be a string')
  if (!value.isWellFormed()) throw refusal([name], 'a lone surrogate is not text')
  return value
}

/**
 * The key of an operation: `of1_` and the base64url SHA-256 (HMAC-SHA-256 with a secret) of the length-prefixed
 * fields `of1`, contract, tenant, scope, scopeId, canonical identity, occurrence. Equal for equal operations.
 * @throws OnefoldError INPUT_INVALID naming the part that cannot be used
 */
export function operationKey(parts: OperationKeyParts): string {
  const occurrence = parts.occurrence ?? 1
  if (!Number.isSafeInteger(occurrence) || occurrence < 1) {
    throw refusal(['occurrence'], 'must be a whole number from 1')
  }
  const fields = [
    'of1',
    text(parts, 'contract'),
    text(parts, 'tenant'),
    text(parts, 'scope'),
    text(parts, 'scopeId'),
    canonicalize(parts.identity),
    String(occurrence),
  ]
  return PREFIX + digest(frameFields(fields), parts.secret)
}

function isBase64Url(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x5f
  )
}

/** True for text that `operationKey` could have given. */
export function isOperationKey(value: unknown): boolean {
  if (typeof value !== 'string' || value.length !== PREFIX.length + DIGEST_LENGTH || !value.startsWith(PREFIX))
    return false
  for (let i = PREFIX.length; i < value.length; i += 1) if (!isBase64Url(value.charCodeAt(i))) return false
  // 43 characters carry two bits more than 32 bytes; they are zero, so that bytes and text stand one to one.
  return 'AEIMQUYcgkosw048'.includes(value.charAt(value.length - 1))
}

/** The 32 bytes of an operation key, for stores that index bytes. @throws OnefoldError KEY_INVALID */
export function keyBytes(key: string): Uint8Array {
  if (!isOperationKey(key)) {
    throw new OnefoldError('KEY_INVALID', 'This is not an operation key (of1_ and 43 characters). Nothing was done.')
  }
  return new Uint8Array(Buffer.from(key.slice(PREFIX.length), 'base64url'))
}

/** The operation key of 32 bytes. @throws OnefoldError KEY_INVALID for another number of bytes */
export function keyFromBytes(bytes: Uint8Array): string {
  if (bytes.byteLength !== 32) {
    throw new OnefoldError('KEY_INVALID', `An operation key has 32 bytes, not ${bytes.byteLength}. Nothing was done.`)
  }
  return PREFIX + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}
