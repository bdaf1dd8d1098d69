import type { DeclaredError } from '../http/exchange/index.ts'
import type { Reader, Value } from './reader.ts'

/** Reads how answers are to be understood: a status, or a piece of the body's text. */
export function readErrors(reader: Reader, value: Value): readonly DeclaredError[] {
  return reader.list(value).map((one) => {
    const words = reader.known(one, ['match', 'effect'])
    if (words.match === undefined) return reader.fail(one, 'has no match', 'Write { match: 429, effect: none }')
    if (words.effect === undefined)
      return reader.fail(one, 'does not say what became of the effect', 'Write effect: none, done or unknown')
    return {
      match: reader.isText(words.match) ? reader.text(words.match) : reader.wholeNumber(words.match, 100),
      effect: reader.choice(words.effect, ['none', 'done', 'unknown']),
    }
  })
}
