import { memberOf, membersAt, skipSpace, type Span } from './spans.ts'

/** One replacement in a text; an insertion has an empty span. */
export interface Edit extends Span {
  readonly with: string
}

/** The text with every edit made; everything else stays byte for byte. Edits do not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  // Joined at the end: a text that is added to piece by piece is put together anew each time that it is read.
  const out: string[] = []
  let at = 0
  for (const edit of edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    out.push(text.slice(at, edit.start), edit.with)
    at = edit.end
  }
  out.push(text.slice(at))
  return out.join('')
}

/** Why a value cannot be set: a step of the path is there and is no object. */
export class NoObject extends Error {
  readonly path: readonly string[]
  constructor(path: readonly string[]) {
    super(`${path.join('.')} is not an object`)
    this.path = path
  }
}

/**
 * The edit that sets the member at `path` below the object at `at` to `json`, whether it is there or not.
 * @throws NoObject
 */
export function setMember(text: string, at: number, path: readonly string[], json: string): Edit {
  const members = membersAt(text, at)
  if (members === undefined) throw new NoObject([])
  const [first = '', ...rest] = path
  const known = memberOf(members, first)
  if (known === undefined) {
    const value = rest.reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, json)
    const start = skipSpace(text, at) + 1
    return { start, end: start, with: `${JSON.stringify(first)}:${value}${members.length === 0 ? '' : ','}` }
  }
  if (rest.length === 0) return { start: known.start, end: known.end, with: json }
  try {
    return setMember(text, known.start, rest, json)
  } catch (error) {
    throw error instanceof NoObject ? new NoObject([first, ...error.path]) : error
  }
}
