import { createColors } from 'picocolors'

type Colors = ReturnType<typeof createColors>

/** Colours for standard output: on a terminal, and by FORCE_COLOR; never against NO_COLOR (https://no-color.org). */
export const colors: Colors = createColors(wantsColor())

function wantsColor(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true
  return process.stdout.isTTY && TERM !== 'dumb'
}

/** Writes text for people to standard output, with a line end. */
export function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Writes data to standard output: JSON with two spaces. */
export function printJson(value: unknown): void {
  print(jsonText(value, 2))
}

/** JSON with what could rewrite a terminal escaped also where JSON need not: it reads back as it was. */
export function jsonText(value: unknown, space?: number): string {
  return JSON.stringify(value, null, space).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A table without lines: columns as wide as their widest cell. `right` names the columns that hold numbers. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => (right.includes(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Text from outside (tool names, notes, errors) without control characters, which could rewrite a terminal. */
export function plain(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ')
}
