const LONGEST = 40

/** Edit distance between two short words (Levenshtein). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const [corner, up, left] = [previous[j - 1], previous[j], current[j - 1]] as [number, number, number]
      current.push(Math.min(corner + (a[i - 1] === b[j - 1] ? 0 : 1), up + 1, left + 1))
    }
    previous = current
  }
  return previous[b.length] as number
}

/**
 * The word that was probably meant, if one is near.
 * @param most letters that may differ @default a third of the word's, and at least two
 */
export function nearest(
  word: string,
  words: readonly string[],
  most: number = Math.max(2, Math.floor(word.length / 3)),
): string | undefined {
  if (word.length > LONGEST) return undefined
  let best: string | undefined
  let least = most + 1
  for (const candidate of words) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase())
    // Two letters of a two-letter word make any other word.
    if (steps < least && steps < candidate.length) {
      best = candidate
      least = steps
    }
  }
  return best
}
