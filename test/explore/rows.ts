/** One line of a command that proves something: `name · value · target · ok/short`. */
export interface Row {
  readonly name: string
  readonly value: string
  readonly target: string
  readonly ok: boolean
  /** Lines printed below the row, such as the path to a violation. */
  readonly details?: readonly string[]
}

/** The rows as a table for people. */
export function tableOf(rows: readonly Row[]): string {
  const width = (key: 'name' | 'value' | 'target'): number => Math.max(0, ...rows.map((row) => row[key].length))
  const [name, value, target] = [width('name'), width('value'), width('target')]
  return rows
    .flatMap((row) => [
      `${row.name.padEnd(name)} · ${row.value.padEnd(value)} · ${row.target.padEnd(target)} · ${row.ok ? 'ok' : 'short'}`,
      ...(row.details ?? []).map((line) => `    ${line}`),
    ])
    .join('\n')
}
