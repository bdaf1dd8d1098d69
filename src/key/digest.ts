import { createHmac, hash } from 'node:crypto'
import { OnefoldError } from '../error/index.ts'

/** Turns SHA-256 into HMAC-SHA-256, so that keys cannot be guessed from their inputs. */
export type Secret = string | Uint8Array

/**
 * Writes fields one after another, each as its length (4 bytes, big-endian) and its UTF-8 bytes, so that no two
 * lists of fields give the same bytes.
 */
export function frameFields(fields: readonly string[]): Buffer {
  let size = 0
  for (const field of fields) size += 4 + Buffer.byteLength(field)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const field of fields) {
    const length = bytes.write(field, at + 4)
    bytes.writeUInt32BE(length, at)
    at += 4 + length
  }
  return bytes
}

/**
 * SHA-256 (FIPS 180-4), or HMAC-SHA-256 (RFC 2104) with a secret, in base64url without padding: 43 characters.
 * @throws OnefoldError CONFIG_INVALID for an empty secret
 */
export function digest(data: string | Uint8Array, secret: Secret | undefined): string {
  if (secret === undefined) return hash('sha256', data, 'base64url')
  if (secret.length === 0) {
    throw new OnefoldError('CONFIG_INVALID', 'keySecret is empty. Nothing was done; give a secret or none at all.')
  }
  return createHmac('sha256', secret).update(data).digest('base64url')
}
