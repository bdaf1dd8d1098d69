import { OnefoldError } from '../error/index.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZES: Readonly<Record<string, number>> = UNITS

/** How people write units elsewhere, and the number of which unit that is. */
const OTHER_UNITS: Readonly<Record<string, readonly [number, string]>> = {
  msec: [1, 'ms'],
  millisecond: [1, 'ms'],
  milliseconds: [1, 'ms'],
  sec: [1, 's'],
  secs: [1, 's'],
  second: [1, 's'],
  seconds: [1, 's'],
  min: [1, 'm'],
  mins: [1, 'm'],
  minute: [1, 'm'],
  minutes: [1, 'm'],
  hr: [1, 'h'],
  hrs: [1, 'h'],
  hour: [1, 'h'],
  hours: [1, 'h'],
  day: [1, 'd'],
  days: [1, 'd'],
  w: [7, 'd'],
  week: [7, 'd'],
  weeks: [7, 'd'],
}

const MOST_DIGITS = 15

function skipDigits(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at += 1
  return at
}

/** Splits `1.5h` into its number and what follows; undefined where the text does not begin with a number. */
function split(text: string): { readonly whole: string; readonly fraction: string; readonly unit: string } | undefined {
  const wholeEnd = skipDigits(text, 0)
  if (wholeEnd === 0) return undefined
  const fractionEnd = text[wholeEnd] === '.' ? skipDigits(text, wholeEnd + 1) : wholeEnd
  if (fractionEnd === wholeEnd + 1) return undefined
  return {
    whole: text.slice(0, wholeEnd),
    fraction: text.slice(wholeEnd + 1, fractionEnd),
    unit: text.slice(fractionEnd),
  }
}

function toMs(whole: string, fraction: string, unit: number): number | undefined {
  if (whole.length + fraction.length > MOST_DIGITS) return undefined
  const scale = 10 ** fraction.length
  const scaled = Number(whole + fraction) * unit
  return Number.isSafeInteger(scaled) && scaled % scale === 0 ? scaled / scale : undefined
}

function nearest(value: unknown): string {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return `'${value}ms'`
  const parts = typeof value === 'string' ? split(value.trim().slice(0, 40).replaceAll(' ', '')) : undefined
  if (parts === undefined) return "'24h'"
  const number = parts.fraction === '' ? parts.whole : `${parts.whole}.${parts.fraction}`
  const unit = parts.unit.toLowerCase()
  if (unit === '') return `'${number}ms' or '${number}s'`
  const [factor, name] = Object.hasOwn(UNITS, unit)
    ? [1, unit]
    : (Object.hasOwn(OTHER_UNITS, unit) && OTHER_UNITS[unit]) || [1, 'h']
  return `'${factor === 1 ? number : Number(number) * factor}${name}'`
}

/**
 * Reads a duration such as `'250ms'`, `'1.5s'`, `'10m'`, `'24h'`, `'7d'`.
 * @returns whole milliseconds
 * @throws OnefoldError CONTRACT_INVALID for anything else, with the nearest valid form; `name` says in the message
 * whose duration it is
 */
export function parseDuration(text: string, name = 'a duration'): number {
  const parts = typeof text === 'string' ? split(text) : undefined
  const unit = parts !== undefined && Object.hasOwn(UNITS, parts.unit) ? SIZES[parts.unit] : undefined
  const ms = parts !== undefined && unit !== undefined ? toMs(parts.whole, parts.fraction, unit) : undefined
  if (ms !== undefined) return ms
  const shown =
    typeof text === 'string' ? `'${text.slice(0, 40)}'` : typeof text === 'number' ? String(text) : typeof text
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `${name} cannot be ${shown}: write a number and one of ms, s, m, h, d, in whole milliseconds, as ${nearest(text)}. ` +
      'Nothing was registered.',
  )
}

/** Writes milliseconds as the shortest duration that `parseDuration` reads back, as `'90m'` or `'24h'`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNITS[unit]
    // 24h is what people write for one day.
    if (ms >= size && ms % size === 0 && !(unit === 'd' && ms === size)) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
