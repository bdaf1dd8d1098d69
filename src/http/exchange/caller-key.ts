import { OnefoldError } from '../../error/index.ts'
import { isSdkOwnKey, parseCallerKey } from '../../key/index.ts'
import type { KeyRule } from './declared.ts'

/**
 * The caller's key from its header, bare or quoted; undefined where there is none, or where the route does not listen to
 * it. One that an SDK made up counts only where the route demands a key: elsewhere the request itself says more.
 * @param strict demands the quoted string of draft-ietf-httpapi-idempotency-key-header section 2.1
 * @throws OnefoldError KEY_INVALID
 */
export function readCallerKey(rule: KeyRule, header: string | undefined, strict: boolean): string | undefined {
  if (header === undefined || rule === 'derived') return undefined
  if (strict && !header.trim().startsWith('"')) {
    throw new OnefoldError(
      'KEY_INVALID',
      'The idempotency key must be a quoted string here, as Idempotency-Key: "8e03978e". Nothing was done.',
      { details: { reason: 'is not quoted' } },
    )
  }
  const key = parseCallerKey(header)
  return rule === 'accepted' && isSdkOwnKey(key) ? undefined : key
}
