const BACKSLASH = /\\/g

/**
 * Text as it can lie in a `text` column, which takes neither NUL nor a lone surrogate: those, and the backslash that
 * marks them, are written as escapes. One to one, and a beginning stays a beginning.
 */
export function toColumn(text: string): string {
  if (!text.includes('\\') && !text.includes('\0') && text.isWellFormed()) return text
  const escaped = text.replace(BACKSLASH, '\\\\').replaceAll('\0', '\\0')
  return escaped.isWellFormed() ? escaped : escaped.replace(LONE, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`)
}

/** The inverse of {@link toColumn}. */
export function fromColumn(column: string): string {
  if (!column.includes('\\')) return column
  return column.replace(ESCAPE, (_, one: string, unit: string | undefined) =>
    unit !== undefined ? String.fromCharCode(Number.parseInt(unit, 16)) : one === '0' ? '\0' : '\\',
  )
}

const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const ESCAPE = /\\(\\|0|u([0-9a-f]{4}))/g

/** A value as a literal of SQL, whatever the server's settings are. */
export function literal(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
