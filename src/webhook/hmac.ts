import { createHmac, timingSafeEqual } from 'node:crypto'

type Key = string | Uint8Array

/** HMAC-SHA-256 over the parts in order. */
export function hmac(key: Key, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const digest = createHmac('sha256', key)
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** True when any of the given signatures is that of any of the keys; takes the same time for each comparison. */
export function signedBy(
  keys: readonly Key[],
  given: readonly string[],
  encoding: 'base64' | 'hex',
  ...parts: readonly (string | Uint8Array)[]
): boolean {
  let found = false
  for (const key of keys) {
    const wanted = hmac(key, ...parts)
    for (const text of given) {
      const bytes = Buffer.from(text, encoding)
      if (bytes.length === wanted.length && timingSafeEqual(bytes, wanted)) found = true
    }
  }
  return found
}
