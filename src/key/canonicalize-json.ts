import { writeCanonical } from './canonicalize.ts'
import type { JsonLimits } from './limits.ts'
import { parseJson } from './parse-json.ts'

/**
 * Brings a JSON text into the canonical form of RFC 8785, reading it as strictly as `parseJson` does.
 *
 * One deliberate difference from the RFC: integer literals beyond ±(2^53-1) keep their digits, where the RFC would
 * round them to a double and so merge different ids.
 * @throws OnefoldError INPUT_INVALID with `details.path` and `details.reason`
 */
export function canonicalizeJson(text: string | Uint8Array, limits?: JsonLimits): string {
  // Large doubles in a parsed value are exact: parseJson has compared each with its text.
  return writeCanonical(parseJson(text, limits), { ...limits, unsafeIntegers: 'allow' })
}
