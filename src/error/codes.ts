/**
 * Every code an {@link OnefoldError} can carry, with what a caller most needs to know about it.
 * docs/reference/errors.md has an entry for each; a test keeps the two equal.
 */
export const ERROR_CODES = [
  'KEY_MISSING',
  'KEY_INVALID',
  'KEY_REUSED',
  'IN_PROGRESS',
  'IN_DOUBT',
  'REJECTED',
  'RESULT_EXPIRED',
  'COMPENSATED',
  'STORE_UNAVAILABLE',
  'STORE_UNSAFE',
  'CONTRACT_INVALID',
  'CONTRACT_SUPERSEDED',
  'DIVERGED',
  'RECURSIVE_OPERATION',
  'RETRY_BUDGET_EXHAUSTED',
  'HELD',
  'CANCELLED',
  'INPUT_INVALID',
  'CONFIG_INVALID',
] as const

/** The stable, string name of what went wrong. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What is known about the effect when an error is told: it happened, it did not, or nobody can say. */
export type EffectKnowledge = 'done' | 'none' | 'unknown'
