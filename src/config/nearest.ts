/** Letters to add, take away or change to get from one word to another. */
function steps(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, letter] of Array.from(from).entries()) {
    const next = [i + 1]
    for (const [j, other] of Array.from(to).entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** The valid word that was probably meant: the nearest, if at most two letters and a third of them differ. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const lower = word.slice(0, 40).toLowerCase()
  const ranked = words.map((candidate) => ({ candidate, distance: steps(lower, candidate.toLowerCase()) }))
  const best = ranked.toSorted((a, b) => a.distance - b.distance)[0]
  return best !== undefined &&
    best.distance <= Math.max(2, Math.floor(word.length / 3)) &&
    best.distance < best.candidate.length
    ? best.candidate
    : undefined
}
