/** What a function threw, or undefined. For laws of the form "answers, or throws nothing but this". */
export function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

/** What an OnefoldError says of itself; undefined for any other error and for none. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && error.name === 'OnefoldError' ? (error as { readonly code?: unknown }).code : undefined
}
