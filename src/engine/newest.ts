/** Puts it last, and forgets the one that was put longest ago where there are too many. */
export function keepNewest<T>(map: Map<string, T>, name: string, value: T, most: number): void {
  map.delete(name)
  map.set(name, value)
  const oldest = map.size > most ? map.keys().next() : undefined
  if (oldest?.value !== undefined) map.delete(oldest.value)
}
