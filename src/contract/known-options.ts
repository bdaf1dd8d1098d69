import { OnefoldError } from '../error/index.ts'
import { nearest } from './nearest.ts'

/** The names of an interface, and which are numbers, so that the compiler tells when one is missing. */
export type NamesOf<Options extends object> = Readonly<{
  [Name in keyof Options]-?: NonNullable<Options[Name]> extends number ? 'number' : true
}>

/**
 * Options as they were given, once every name is known and every number is one: in plain JavaScript a typo would
 * otherwise leave a default where a protection was wanted, and `'30s'` or NaN a limit that nothing exceeds.
 * @throws OnefoldError CONFIG_INVALID naming the option, and the nearest known one
 */
export function knownOptions<Options extends object>(of: string, given: Options, names: NamesOf<Options>): Options {
  if (typeof given !== 'object' || given === null) {
    throw new OnefoldError(
      'CONFIG_INVALID',
      `${of} takes an object with ${Object.keys(names).join(', ')}; it was given ${given === null ? 'null' : typeof given}. Nothing was started.`,
    )
  }
  for (const word in given) {
    if (!Object.hasOwn(names, word)) throw unknownName(of, 'option', word, Object.keys(names))
    if (names[word] === 'number') assertNumber(of, word, given[word])
  }
  return given
}

/** @throws OnefoldError CONFIG_INVALID for an option that is there and no number of at least 0 */
export function assertNumber(of: string, name: string, value: unknown): void {
  if (value === undefined || (Number.isFinite(value) && (value as number) >= 0)) return
  const what = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value).slice(0, 64)
  throw new OnefoldError(
    'CONFIG_INVALID',
    `${name} of ${of} must be a number of at least 0, not ${what}. Nothing was started.`,
    {
      details: { name },
    },
  )
}

/** The error for a name that means nothing. */
export function unknownName(of: string, kind: string, word: string, names: readonly string[]): OnefoldError {
  const meant = nearest(word, names)
  const fix = meant === undefined ? `There are ${names.join(', ')}.` : `Did you mean ${meant}?`
  return new OnefoldError(
    'CONFIG_INVALID',
    `${of} has no ${kind} ${JSON.stringify(word.slice(0, 64))}. ${fix} Nothing was started.`,
    {
      details: { name: word.slice(0, 64), ...(meant === undefined ? {} : { nearest: meant }) },
    },
  )
}
