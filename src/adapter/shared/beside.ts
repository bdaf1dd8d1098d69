/** A result with what the model is told beside it: after a text, or as a member of its own. Unchanged without a note. */
export function withNote(value: unknown, note: string | undefined): unknown {
  if (note === undefined) return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value, note }
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text === '' ? note : `${text}\n${note}`
}
