/** A tool's result with one more text for the model at its end: a string, content blocks, or an MCP result. Unchanged without one. */
export function withNote(value: unknown, note: string | undefined): unknown {
  if (note === undefined) return value
  if (typeof value === 'string') return `${value}\n${note}`
  const text = { type: 'text', text: note }
  if (Array.isArray(value)) return [...(value as unknown[]), text]
  const { content } = (value ?? {}) as { readonly content?: unknown }
  return Array.isArray(content) ? { ...(value as object), content: [...(content as unknown[]), text] } : value
}
