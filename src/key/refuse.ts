import { OnefoldError } from '../error/index.ts'

/** A member name or an array index on the way from the root of a JSON value. */
export type PathSegment = string | number

const LONGEST_NAME = 64

function isWordCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code === 0x24
  )
}

function isWord(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) if (!isWordCode(name.charCodeAt(i))) return false
  return name.length > 0
}

/** Writes a path as `$.items[3]["odd name"]`; names over 64 characters are cut. */
export function formatPath(segments: readonly PathSegment[]): string {
  let path = '$'
  for (const segment of segments) {
    if (typeof segment === 'number') {
      path += `[${segment}]`
      continue
    }
    const name = segment.length > LONGEST_NAME ? `${segment.slice(0, LONGEST_NAME)}…` : segment
    path += isWord(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  }
  return path
}

/** The error for an input that has no canonical form: `INPUT_INVALID`, effect none, with path and reason, never a value. */
export function refusal(segments: readonly PathSegment[], reason: string, cause?: unknown): OnefoldError {
  const path = formatPath(segments)
  return new OnefoldError(
    'INPUT_INVALID',
    `Input refused at ${path}: ${reason}. Nothing was done; correct the input.`,
    {
      details: { path, reason },
      cause,
    },
  )
}
