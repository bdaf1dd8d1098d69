import { parseJson } from '../key/index.ts'
import { decode, encode } from './codec.ts'

/** How the tagged codec begins what JSON cannot carry. Inside a text it would be escaped. */
const TAGGED = '{"$of":"'

/**
 * The text of an input that is frozen with the marker, so that a re-send hands the tool what the first send had, its
 * members in the same order: a downstream may compare bytes under a key. Where reading JSON would make numbers of
 * bigints, it is that of the tagged codec.
 * @param canonical the canonical form of `input`
 */
export function freeze(input: unknown, canonical: string): string {
  const bigints = bigintsIn(input)
  if (bigints === 'small') return encode(input)
  const text = bigints === 'none' ? inOrder(input, canonical) : canonical
  return text.includes(TAGGED) ? encode(input) : text
}

/** The input that was frozen. @throws OnefoldError, SyntaxError for a text that {@link freeze} did not make */
export const thaw = (frozen: string): unknown => (frozen.includes(TAGGED) ? decode(frozen) : parseJson(frozen))

/** A copy of an input that has a canonical form: what its caller changes in it later changes nothing here. */
export function copyOf(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input
  if (Array.isArray(input)) return Array.from(input, copyOf)
  const copy = Object.create(Object.getPrototypeOf(input) as object | null) as Record<string, unknown>
  for (const name of Object.keys(input)) {
    const value = copyOf((input as Record<string, unknown>)[name])
    if (name in copy) Object.defineProperty(copy, name, { value, writable: true, enumerable: true, configurable: true })
    else copy[name] = value
  }
  return copy
}

/** The same JSON as the canonical form, in the order in which it was given: then both are of one length. */
function inOrder(input: unknown, canonical: string): string {
  const text: string | undefined = JSON.stringify(input)
  return text?.length === canonical.length ? text : canonical
}

/** `small` where one is written like a number; larger ones are read as bigints again, but only from the canonical form. */
function bigintsIn(value: unknown): 'none' | 'large' | 'small' {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? 'small' : 'large'
  if (typeof value !== 'object' || value === null) return 'none'
  let found: 'none' | 'large' = 'none'
  for (const inner of Object.values(value)) {
    const bigints = bigintsIn(inner)
    if (bigints === 'small') return 'small'
    if (bigints === 'large') found = 'large'
  }
  return found
}
