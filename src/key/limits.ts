import { OnefoldError } from '../error/index.ts'

/** How large an input may be before it is refused. */
export interface JsonLimits {
  /** Size of the JSON text in UTF-8 bytes. @default 1048576 */
  readonly maxBytes?: number
  /** How many arrays and objects may be nested. @default 64 */
  readonly maxDepth?: number
}

/** Largest JSON text that is accepted by default, in bytes (protocol.md section 9). */
export const MAX_BYTES = 1_048_576

/** Deepest nesting that is accepted by default (protocol.md section 9). */
export const MAX_DEPTH = 64

/** Longest number that is accepted, in characters: conversions of longer ones are not linear in time. */
export const MAX_NUMBER_LENGTH = 1024

/** Fills in the defaults. @throws OnefoldError CONFIG_INVALID for a limit that is not a positive integer */
export function resolveLimits(limits: JsonLimits | undefined): {
  readonly maxBytes: number
  readonly maxDepth: number
} {
  const maxBytes = limits?.maxBytes ?? MAX_BYTES
  const maxDepth = limits?.maxDepth ?? MAX_DEPTH
  for (const [name, limit] of [
    ['maxBytes', maxBytes],
    ['maxDepth', maxDepth],
  ] as const) {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new OnefoldError('CONFIG_INVALID', `${name} must be a positive whole number. Nothing was done.`)
    }
  }
  return { maxBytes, maxDepth }
}
