import { OnefoldError } from '../../src/error/index.ts'

/** What a function threw, or undefined. For laws of the form "answers, or throws nothing but this". */
export function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

/** The refusal of a function that must refuse; throws where it threw nothing, or something else (then the cause). */
export function refusalBy(action: () => unknown): OnefoldError {
  const error = thrownBy(action)
  if (error instanceof OnefoldError) return error
  throw new Error('nothing was refused', { cause: error })
}

/** What an OnefoldError says of itself; undefined for any other error and for none. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && error.name === 'OnefoldError' ? (error as { readonly code?: unknown }).code : undefined
}
