import { OnefoldError } from '../../error/index.ts'
import { parseCallerKey } from '../../key/index.ts'

/**
 * The caller's key from its header, bare or quoted; undefined when there is none.
 * @param strict demands the quoted string of draft-ietf-httpapi-idempotency-key-header section 2.1
 * @throws OnefoldError KEY_INVALID
 */
export function readCallerKey(header: string | undefined, strict: boolean): string | undefined {
  if (header === undefined) return undefined
  if (strict && !header.trim().startsWith('"')) {
    throw new OnefoldError(
      'KEY_INVALID',
      'The idempotency key must be a quoted string here, as Idempotency-Key: "8e03978e". Nothing was done.',
      { details: { reason: 'is not quoted' } },
    )
  }
  return parseCallerKey(header)
}
