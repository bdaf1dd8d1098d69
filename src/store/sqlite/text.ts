const MARK = '\u0001'
const NUL = '\0'

/**
 * Text as it can lie in SQLite, which keeps UTF-8: a lone surrogate would come back as U+FFFD and make two strings equal,
 * and before Node 24 text comes back only up to its first NUL. Such text, and text that begins with the mark itself, is
 * kept as JSON behind the mark. One to one.
 */
export function toColumn(text: string): string {
  return text.isWellFormed() && !text.startsWith(MARK) && !text.includes(NUL) ? text : MARK + JSON.stringify(text)
}

/** The inverse of {@link toColumn}. */
export function fromColumn(column: string): string {
  return column.startsWith(MARK) ? (JSON.parse(column.slice(MARK.length)) as string) : column
}
