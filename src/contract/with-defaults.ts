/**
 * `defaults` with what of `given` was really given. An option that is there as undefined, which in plain JavaScript one
 * that is read from elsewhere often is, leaves the default: spread over it, it would take a limit away.
 */
export function withDefaults<T extends object>(
  defaults: T,
  given: { readonly [Name in keyof T]?: T[Name] | undefined } | undefined,
): T {
  const merged = { ...defaults }
  for (const name in given) {
    const value = given[name]
    if (value !== undefined) merged[name] = value
  }
  return merged
}
