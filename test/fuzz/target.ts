import { isOnefoldError, type ErrorCode } from '../../src/error/index.ts'

/** One parser under test. */
export interface Target {
  readonly name: string
  /** Scripts whose coverage guides the search. */
  readonly covers: RegExp
  /** Words of its language, tried as they are. */
  readonly tokens: readonly string[]
  /** Longest input that is judged. @default 64 KiB */
  readonly maxBytes?: number
  /** Throws when the input shows a fault: an error that is not documented, or a law that does not hold. */
  run(input: Buffer): void
}

/** What broke a law of a target. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken'
}

/** @throws LawBroken */
export function law(holds: boolean, what: string): asserts holds {
  if (!holds) throw new LawBroken(what)
}

/** The result, or undefined where `work` refused with one of its documented codes. Any other error passes. */
export function orRefused<T>(codes: readonly ErrorCode[], work: () => T): { readonly value: T } | undefined {
  try {
    return { value: work() }
  } catch (error) {
    if (isOnefoldError(error) && codes.includes(error.code)) {
      law(error.message.length < 2_000, 'a refusal longer than 2,000 characters')
      return undefined
    }
    throw error
  }
}
