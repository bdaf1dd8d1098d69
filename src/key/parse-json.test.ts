import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, refusalBy, thrownBy } from '../../test/vectors/attempt.ts'
import { underMutation } from '../../test/mutation/under-mutation.ts'
import { readVectors } from '../../test/vectors/read.ts'
import type { OnefoldError } from '../error/index.ts'
import { parseJson } from './parse-json.ts'

function refusal(text: string | Uint8Array, limits?: Parameters<typeof parseJson>[1]): OnefoldError {
  return refusalBy(() => parseJson(text, limits))
}

describe('parseJson refuses', () => {
  it.each(readVectors<{ name: string; json: string; path: string }>('refused').vectors)('$name', ({ json, path }) => {
    const error = refusal(json)
    expect(error).toMatchObject({ code: 'INPUT_INVALID', effect: 'none', details: { path } })
    expect(error.message).toContain(path)
    expect(refusal(new TextEncoder().encode(json)).details['path']).toBe(path)
  })

  it('bytes that are not UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0xef, 0xbb, 0xbf, 0x31],
    ]) {
      expect(refusal(Uint8Array.from(bytes)).code).toBe('INPUT_INVALID')
    }
  })

  it('surrogates that are raw, and pairs made of a raw and an escaped one', () => {
    for (const text of ['"\ud800"', '"\udc00"', '"\ud83d\\ude02"', '"\\ud83d\ude02"']) {
      expect(refusal(text).details['reason']).toBe('a lone surrogate is not text')
    }
  })

  it('texts over the limits', () => {
    expect(refusal('"aaaa"', { maxBytes: 5 }).code).toBe('INPUT_INVALID')
    expect(refusal('"éé"', { maxBytes: 5 }).code).toBe('INPUT_INVALID')
    expect(parseJson('"éé"', { maxBytes: 6 })).toBe('éé')
    expect(refusal('[[1]]', { maxDepth: 1 }).details['path']).toBe('$[0]')
    expect(parseJson('[[1]]', { maxDepth: 2 })).toEqual([[1]])
    expect(refusal('1', { maxDepth: 0 }).code).toBe('CONFIG_INVALID')
    expect(refusal('1', { maxBytes: Number.NaN }).code).toBe('CONFIG_INVALID')
  })

  it('what is no text', () => {
    expect(refusal(5 as unknown as string).code).toBe('INPUT_INVALID')
    expect(refusal(undefined as unknown as string).code).toBe('INPUT_INVALID')
  })

  it.skipIf(underMutation)('5 MB of garbage, in one pass', () => {
    const size = 5_000_000
    const limits = { maxBytes: 2 * size, maxDepth: 64 }
    for (const text of [
      '['.repeat(size),
      '"'.repeat(size),
      '{"a":'.repeat(size / 5),
      '9'.repeat(size),
      '1e'.repeat(size / 2),
    ]) {
      expect(refusal(text, limits).code).toBe('INPUT_INVALID')
    }
    expect(refusal(`"${'\\u0041'.repeat(size / 6)}`, limits).code).toBe('INPUT_INVALID')
    expect(refusal(`[${'1,'.repeat(size / 2)}]`, limits).details['path']).toBe('$[2500000]')
    expect(refusal(`"${'\\'.repeat(size)}`, limits).code).toBe('INPUT_INVALID')
    expect(refusal(' '.repeat(size), limits).code).toBe('INPUT_INVALID')
  })
})

describe('parseJson keeps', () => {
  it('64-bit ids, as bigints', () => {
    expect(parseJson('[9007199254740991,9007199254740992,9007199254740993,-18446744073709551615]')).toEqual([
      9007199254740991,
      9007199254740992n,
      9007199254740993n,
      -18446744073709551615n,
    ])
  })

  it('the names of Object.prototype as data, polluting nothing', () => {
    const value = parseJson('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":2}')
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor', 'toString'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(JSON.stringify(value)).toBe(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":2}',
    )
  })

  it('everything that JSON.parse reads, in the same order', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        // fc.json also gives numbers that no double holds, and strings that are no text.
        fc.pre(codeOf(thrownBy(() => parseJson(text))) !== 'INPUT_INVALID')
        const toNumbers = (_: string, item: unknown): unknown => (typeof item === 'bigint' ? Number(item) : item)
        expect(JSON.stringify(parseJson(text), toNumbers)).toBe(JSON.stringify(JSON.parse(text)))
      }),
    )
  })
})

it('parseJson throws nothing but INPUT_INVALID, and accepts nothing that JSON.parse refuses', () => {
  const soup = fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:\\u0019eE+-. truefalsn\ud800')), maxLength: 40 })
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary' }), fc.uint8Array()), (input) => {
      const error = thrownBy(() => parseJson(input))
      expect(error === undefined || codeOf(error) === 'INPUT_INVALID').toBe(true)
      const text = typeof input === 'string' ? input : new TextDecoder().decode(input)
      expect(error === undefined ? thrownBy(() => JSON.parse(text) as unknown) : undefined).toBeUndefined()
    }),
    { numRuns: 2000 },
  )
})
