import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { duplicateOf, memberOf, membersAt, skipSpace, skipValue } from './spans.ts'
import { applyEdits, NoObject, setMember } from './splice.ts'

const slices = (text: string): readonly (readonly [string, string])[] =>
  (membersAt(text, skipSpace(text, 0)) ?? []).map(({ name, start, end }) => [name, text.slice(start, end)])

describe('membersAt', () => {
  it('finds names and values as they stand', () => {
    expect(slices(' { "a" : 1.0 , "b\\u0041":"x\\"}" ,"c":[{"d":"]"},{}],"d":{},"e":null }')).toEqual([
      ['a', '1.0'],
      ['bA', '"x\\"}"'],
      ['c', '[{"d":"]"},{}]'],
      ['d', '{}'],
      ['e', 'null'],
    ])
    expect(slices('{}')).toEqual([])
    expect(membersAt('[1]', 0)).toBeUndefined()
  })

  it('keeps duplicates, also those that are spelt differently', () => {
    expect(duplicateOf(membersAt('{"a":1,"\\u0061":2}', 0) ?? [])).toBe('a')
    expect(duplicateOf(membersAt('{"a":1,"b":2}', 0) ?? [])).toBeUndefined()
  })

  it('agrees with JSON.parse on every object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, '\t '), (object, space) => {
        const text = JSON.stringify(object, undefined, space)
        const found = membersAt(text, 0) ?? []
        expect(found.map(({ name }) => name)).toEqual(Object.keys(JSON.parse(text) as object))
        for (const { name, start, end } of found)
          expect(JSON.parse(text.slice(start, end))).toEqual((JSON.parse(text) as Record<string, unknown>)[name])
      }),
    )
  })

  it('is linear: deep nesting and long runs of backslashes', () => {
    const deep = `{"a":${'['.repeat(500_000)}${']'.repeat(500_000)},"b":"${'\\\\'.repeat(500_000)}"}`
    const started = performance.now()
    expect(membersAt(deep, 0)?.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(skipValue(deep, 0)).toBe(deep.length)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

describe('setMember', () => {
  const set = (text: string, path: readonly string[]): string =>
    applyEdits(text, [setMember(text, skipSpace(text, 0), path, '"K"')])

  it('replaces or inserts, and leaves every other byte', () => {
    expect(set('{ "a" : 1.0, "k":  2 }', ['k'])).toBe('{ "a" : 1.0, "k":  "K" }')
    expect(set(' { "a":1}', ['k'])).toBe(' {"k":"K", "a":1}')
    expect(set('{}', ['m', 'k'])).toBe('{"m":{"k":"K"}}')
    expect(set('{"m":{"x":1}}', ['m', 'k'])).toBe('{"m":{"k":"K","x":1}}')
    expect(set('{"m":{"k":null}}', ['m', 'k'])).toBe('{"m":{"k":"K"}}')
  })

  it('refuses a path through something that is no object', () => {
    expect(() => set('{"m":[1]}', ['m', 'k'])).toThrow(NoObject)
    expect(() => set('{"m":{"n":7}}', ['m', 'n', 'k'])).toThrow('m.n is not an object')
  })

  it('always gives the object with the member set', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (object, name) => {
        const text = JSON.stringify(object)
        const parsed = JSON.parse(set(text, [name])) as Record<string, unknown>
        const expected = new Map(Object.entries(JSON.parse(text) as object)).set(name, 'K')
        expect(new Map(Object.entries(parsed))).toEqual(expected)
      }),
    )
  })

  it('finds what it set', () => {
    const text = set('{"a":1}', ['k'])
    expect(memberOf(membersAt(text, 0) ?? [], 'k')).toMatchObject({ name: 'k' })
  })
})
