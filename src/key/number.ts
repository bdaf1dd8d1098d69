import { refusal } from './refuse.ts'
import { MAX_NUMBER_LENGTH } from './limits.ts'

/**
 * Writes a number as RFC 8785 section 3.2.2.3 demands: ECMAScript's shortest form, and -0 as 0.
 * @throws OnefoldError INPUT_INVALID for NaN and the infinities
 */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw refusal([], 'NaN and the infinities are not JSON numbers')
  return String(value)
}

interface Decimal {
  /** Significant digits without zeros at either end; empty for zero. */
  readonly digits: string
  /** Power of ten of the last digit. */
  readonly exponent: number
}

function toDecimal(literal: string): Decimal {
  const start = literal.startsWith('-') ? 1 : 0
  let end = start
  while (end < literal.length && literal[end] !== 'e' && literal[end] !== 'E') end += 1
  const mantissa = literal.slice(start, end)
  const point = mantissa.indexOf('.')
  const all = point < 0 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1)
  let exponent =
    (end < literal.length ? Number(literal.slice(end + 1)) : 0) - (point < 0 ? 0 : mantissa.length - point - 1)
  let first = 0
  let last = all.length
  while (first < last && all[first] === '0') first += 1
  while (last > first && all[last - 1] === '0') last -= 1
  exponent += all.length - last
  return { digits: all.slice(first, last), exponent }
}

/**
 * Turns the text of a JSON number into a value without merging integers that differ: an integer literal beyond
 * ±(2^53-1) becomes a bigint, so 64-bit ids survive. Other fractions become the nearest double.
 *
 * `fail` must throw; it is called where a double is infinite, or is an integer that the literal is not
 * (`9007199254740993.0`, `1e-400`).
 */
export function numberFromLiteral(literal: string, integer: boolean, fail: (reason: string) => never): number | bigint {
  if (literal.length > MAX_NUMBER_LENGTH) return fail(`a number may have at most ${MAX_NUMBER_LENGTH} characters`)
  const value = Number(literal)
  if (integer) return Number.isSafeInteger(value) ? value : BigInt(literal)
  if (!Number.isFinite(value)) return fail('the number is too large for a double; send it as text')
  // A fraction is rounded, as RFC 8785 does; but it must not be rounded to an integer, since integers are ids.
  if (Number.isInteger(value)) {
    const asked = toDecimal(literal)
    const held = toDecimal(String(value))
    if (asked.digits !== held.digits || (asked.digits !== '' && asked.exponent !== held.exponent)) {
      return fail('a double cannot hold this number exactly; send it as text, or without fraction and exponent')
    }
  }
  return value
}
