import { canonicalize } from './canonicalize.ts'
import { digest, type Secret } from './digest.ts'

/**
 * The fingerprint of a canonical text: base64url SHA-256, or HMAC-SHA-256 with a secret; 43 characters.
 * @throws OnefoldError CONFIG_INVALID for an empty secret
 */
export function fingerprintText(canonical: string, secret?: Secret): string {
  return digest(canonical, secret)
}

/**
 * The fingerprint of the fields that must match on a repeat: that of their canonical form.
 * @throws OnefoldError INPUT_INVALID naming the path of a value without a canonical form
 */
export function fingerprint(binding: unknown, secret?: Secret): string {
  return fingerprintText(canonicalize(binding), secret)
}
