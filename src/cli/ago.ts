const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]

/** A span of milliseconds for people: `12 ms`, `3.4 s`, `5 min`, `2 h`, `3 d`. */
export function span(ms: number): string {
  const size = Math.max(0, ms)
  if (size < 1_000) return `${Math.round(size)} ms`
  if (size < 10_000) return `${(size / 1_000).toFixed(1)} s`
  for (const [unit, name] of UNITS) if (size >= unit) return `${Math.floor(size / unit)} ${name}`
  return `${Math.round(size)} ms`
}

/** The store's time as a date that people and programs can read. */
export const dateOf = (ms: number): string => new Date(ms).toISOString()
