import { describe, expect, it } from 'vitest'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { readString } from './string-literal.ts'

const fail = (reason: string): never => {
  throw new Error(reason)
}
const read = (text: string, at = 0): readonly [string, number] => {
  const cursor = { text, at }
  return [readString(cursor, fail), cursor.at]
}
const reason = (text: string): string => (thrownBy(() => read(text)) as Error).message
const LONE = 'a lone surrogate is not text'

describe('readString', () => {
  it('reads to the closing quote and stops behind it', () => {
    expect(read('"ab" x')).toEqual(['ab', 4])
    expect(read('  "é"x', 2)).toEqual(['é', 5])
    expect(read('""')).toEqual(['', 2])
  })

  it('undoes every escape', () => {
    expect(read(String.raw`"\"\\\/\b\f\n\r\t"`)).toEqual(['"\\/\b\f\n\r\t', 18])
    expect(read(String.raw`"a\nb\u0041c"`)).toEqual(['a\nbAc', 13])
    expect(read(String.raw`"\u09afAF"`)).toEqual(['\u09afAF', 10])
    expect(read(String.raw`"\uABEF\uabef\u0000\u9999"`)).toEqual(['\uabef\uabef\u0000\u9999', 26])
    expect(read(String.raw`"\uD7FF\uE000"`)).toEqual(['\ud7ff\ue000', 14])
    expect(read(String.raw`"\uD800\uDC00\uDBFF\uDFFF"`)).toEqual(['\u{10000}\u{10ffff}', 26])
  })

  it.each([
    ['"\\x"', 'an escape that JSON does not know'],
    ['"\\U0041"', 'an escape that JSON does not know'],
    ['"\\', 'an escape that JSON does not know'],
    ['"\\u004"', '\\u needs four hex digits'],
    ['"\\u00g0"', '\\u needs four hex digits'],
    ['"\\u00G0"', '\\u needs four hex digits'],
    ['"\\u00/0"', '\\u needs four hex digits'],
    ['"\\u00:0"', '\\u needs four hex digits'],
    ['"\\u00@0"', '\\u needs four hex digits'],
    ['"\\u00`0"', '\\u needs four hex digits'],
    ['"\\u00 0"', '\\u needs four hex digits'],
    ['"\\u00', '\\u needs four hex digits'],
    ['"\\ud800"', LONE],
    ['"\\udc00"', LONE],
    ['"\\udfff\\udc00"', LONE],
    ['"\\udc00\\udc00"', LONE],
    ['"\\ud800\\u0041"', LONE],
    ['"\\ud800\\udbff"', LONE],
    ['"\\ud800\\ue000"', LONE],
    ['"\\ud800\\xdc00"', LONE],
    ['"\\ud800xudc00"', LONE],
    ['"\\ud800\\udc0"', LONE],
    ['"\ud800"', LONE],
    ['"ab', 'the string has no closing quote'],
    ['"a\nb"', 'a control character must be escaped'],
    ['"\u001f"', 'a control character must be escaped'],
    ['"', 'the string has no closing quote'],
  ])('refuses %j: %s', (text, expected) => {
    expect(reason(text)).toBe(expected)
  })

  it('takes a blank, the smallest character that needs no escape', () => {
    expect(read('" "')).toEqual([' ', 3])
  })
})
