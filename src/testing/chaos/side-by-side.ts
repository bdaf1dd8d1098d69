/** Two values as JSON in two columns; lines that are not the same are marked. */
export function sideBySide(titles: readonly [string, string], left: unknown, right: unknown): string {
  const [before, after] = [linesOf(left), linesOf(right)]
  const width = Math.min(60, Math.max(titles[0].length, ...before.map((line) => line.length)))
  const rows = align(before, after).map(([one, other]) =>
    `${cut(one ?? '', width)} ${one === other ? '│' : '≠'} ${other ?? ''}`.trimEnd(),
  )
  return [`${cut(titles[0], width)} │ ${titles[1]}`, ...rows].join('\n')
}

const linesOf = (value: unknown): readonly string[] => JSON.stringify(value ?? null, null, 2).split('\n')

const cut = (line: string, width: number): string =>
  line.length > width ? `${line.slice(0, width - 1)}…` : line.padEnd(width)

type Row = readonly [before: string | undefined, after: string | undefined]

/** Pairs equal lines by their longest common subsequence; what is left over stands opposite what it replaced. */
function align(before: readonly string[], after: readonly string[]): readonly Row[] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0))
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const row = lengths[i] as number[]
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const rows: Row[] = []
  let gone: string[] = []
  let come: string[] = []
  const flush = (): void => {
    for (let n = 0; n < Math.max(gone.length, come.length); n += 1) rows.push([gone[n], come[n]])
    gone = []
    come = []
  }
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      flush()
      rows.push([before[i++], after[j++]])
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1)))
      gone.push(before[i++] as string)
    else come.push(after[j++] as string)
  }
  flush()
  return rows
}
