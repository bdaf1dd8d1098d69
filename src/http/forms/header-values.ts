/** Names and their values; a name that comes again has all of them, in their order. */
export function headerValues(
  pairs: Iterable<readonly [name: string, value: string | readonly string[]]>,
): Iterable<[name: string, value: string | string[]]> {
  const values = new Map<string, string | string[]>()
  for (const [given, value] of pairs) {
    const name = given.toLowerCase()
    const known = values.get(name)
    values.set(name, known === undefined && typeof value === 'string' ? value : [known ?? [], value].flat(2))
  }
  return values
}

/** Headers that answer the page which asks (Fetch, CORS protocol): another page's must not stand in their place. */
export const isOfPage = (name: string): boolean => name.startsWith('access-control-')
