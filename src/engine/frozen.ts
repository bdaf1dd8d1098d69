import { parseJson } from '../key/index.ts'
import { decode, encode } from './codec.ts'

/** How the tagged codec begins what JSON cannot carry. Inside a text it would be escaped. */
const TAGGED = '{"$of":"'

/**
 * The text of an input that is frozen with the marker, so that a re-send hands the tool what the first send had. That is
 * its canonical form; where reading this would make numbers of bigints, that of the tagged codec.
 * @param canonical the canonical form of `input`
 */
export const freeze = (input: unknown, canonical: string): string =>
  holdsSmallBigint(input) || canonical.includes(TAGGED) ? encode(input) : canonical

/** The input that was frozen. @throws OnefoldError, SyntaxError for a text that {@link freeze} did not make */
export const thaw = (frozen: string): unknown => (frozen.includes(TAGGED) ? decode(frozen) : parseJson(frozen))

/** One that is written like a number; larger ones are read as bigints again. */
function holdsSmallBigint(value: unknown): boolean {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value))
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsSmallBigint)
}
