import { describe, expect, it } from 'vitest'
import { refusalBy } from '../../test/vectors/attempt.ts'
import { parseCallerKey } from './caller-key.ts'
import { canonicalize, writeCanonical } from './canonicalize.ts'
import { differingFields } from './differing-fields.ts'
import { downstreamKey } from './downstream-key.ts'
import { KEY_SHAPES } from './key-shapes.ts'
import { formatNumber } from './number.ts'
import { isOperationKey, operationKey } from './operation-key.ts'
import { parseJson } from './parse-json.ts'

const details = (action: () => unknown): Readonly<Record<string, unknown>> => refusalBy(action).details
const reason = (action: () => unknown): unknown => details(action)['reason']
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('canonicalize, at its limits', () => {
  it('takes what just fits, refuses one byte more', () => {
    for (const [value, size] of [
      ['12345678', 10],
      ['é12345', 9],
      [[1, 2, 3], 7],
      [12345, 5],
      [[[], []], 7],
      [{ a: 1 }, 7],
      [['1234'], 8],
    ] as const) {
      expect(canonicalize(value, { maxBytes: size })).toBe(JSON.stringify(value))
      expect(reason(() => canonicalize(value, { maxBytes: size - 1 }))).toContain(`larger than ${size - 1} bytes`)
    }
    expect(reason(() => canonicalize('12345678', { maxBytes: 7 }))).toContain('larger than 7 bytes')
  })

  it('bounds the work also where nothing is written', () => {
    const absent = { a: undefined, b: undefined, c: undefined }
    expect(canonicalize([absent, absent], { maxBytes: 8 })).toBe('[{},{}]')
    expect(reason(() => canonicalize([absent, absent, absent], { maxBytes: 10 }))).toBe(
      'the object has too many members',
    )
    expect(canonicalize({ a: undefined, b: undefined }, { maxBytes: 2 })).toBe('{}')
    expect(reason(() => canonicalize({ a: undefined, b: undefined, c: undefined }, { maxBytes: 2 }))).toBe(
      'the object has too many members',
    )
    expect(reason(() => canonicalize(new Array(4), { maxBytes: 3 }))).toBe('the array has too many elements')
    expect(reason(() => canonicalize(new Array(3), { maxBytes: 3 }))).toBe('an array with holes is not JSON')
    const small = { x: undefined }
    expect(reason(() => canonicalize([small, small, small], { maxBytes: 5 }))).toBe('the object has too many members')
  })

  it('says what a value is that has no form', () => {
    class Money {}
    expect(reason(() => canonicalize(new Money()))).toContain('a class instance is not JSON')
    expect(reason(() => canonicalize(new Date()))).toContain('a Date is not JSON')
    expect(reason(() => canonicalize(new Map()))).toContain('a Map is not JSON')
    expect(reason(() => canonicalize(Object.create({})))).toContain('a class instance')
    expect(reason(() => canonicalize(Object.create({ isPrototypeOf: 1, __proto__: {} })))).toContain('a class instance')
    expect(canonicalize(Object.create(Object.assign(Object.create(null), { isPrototypeOf: 1 })))).toBe('{}')
    expect(reason(() => canonicalize(Object.create(Object.create(null))))).toContain('a class instance')
    expect(reason(() => canonicalize(undefined))).toBe('undefined is not JSON')
    expect(reason(() => canonicalize(() => 1))).toBe('a function is not JSON')
    expect(reason(() => canonicalize([1, undefined]))).toBe('undefined is not JSON')
    expect(details(() => canonicalize({ a: [1, undefined] }))['path']).toBe('$.a[1]')
    const throws = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('trap')
        },
      },
    )
    expect(details(() => canonicalize({ a: throws }))).toEqual({ path: '$.a', reason: 'the value cannot be read' })
    const empty = new Proxy([], {
      getPrototypeOf: () => {
        throw new Error('trap')
      },
    })
    expect(details(() => canonicalize([empty]))).toEqual({ path: '$[0]', reason: 'the value cannot be read' })
  })

  it('numbers at the edge of what a double holds', () => {
    expect(canonicalize([Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER])).toBe(
      '[9007199254740991,-9007199254740991]',
    )
    expect(reason(() => canonicalize(2 ** 53))).toContain('beyond 2^53-1')
    expect(writeCanonical(2 ** 53, { unsafeIntegers: 'allow' })).toBe('9007199254740992')
    expect(reason(() => canonicalize(2 ** 53, { maxDepth: 3 }))).toContain('beyond 2^53-1')
    const largest = 10n ** 1024n - 1n
    expect(canonicalize(largest)).toHaveLength(1024)
    expect(canonicalize(-largest)).toHaveLength(1025)
    expect(reason(() => canonicalize(10n ** 1030n))).toContain('at most 1024 digits')
    expect(details(() => formatNumber(NaN))).toMatchObject({ path: '$' })
  })
})

describe('parseJson, at its limits', () => {
  it('takes what just fits', () => {
    expect(parseJson('"abc"', { maxBytes: 5 })).toBe('abc')
    expect(parseJson(bytes('"abc"'), { maxBytes: 5 })).toBe('abc')
    for (const text of ['"abcd"', bytes('"abcd"')])
      expect(details(() => parseJson(text, { maxBytes: 5 }))).toEqual({
        path: '$',
        reason: 'the text is larger than 5 bytes',
      })
    expect(details(() => parseJson(5 as never))['path']).toBe('$')
    expect(details(() => parseJson(Uint8Array.of(0xff)))).toEqual({ path: '$', reason: 'the bytes are not UTF-8' })
  })

  it('skips every blank of JSON and no other', () => {
    expect(parseJson(' \t\r\n[ \t\r\n1 \t\r\n, 2 \t\r\n] \t\r\n')).toEqual([1, 2])
    expect(parseJson(' \t\r\n{ \t\r\n"a" \t\r\n: \t\r\n1 \t\r\n} \t\r\n')).toEqual({ a: 1 })
    for (const blank of ['\u00a0', '\ufeff', '\u000b', '\u000c'])
      expect(reason(() => parseJson(`${blank}1`))).toBeDefined()
  })

  it.each([
    ['', 'the text ends before the value', '$'],
    ['x', 'a JSON value is expected here', '$'],
    ['[1,', 'the text ends before the value', '$[1]'],
    ['[1,]', 'a JSON value is expected here', '$[1]'],
    ['{x', 'a member name in quotes is expected here', '$'],
    ['{1":2}', 'a member name in quotes is expected here', '$'],
    ['{"a"1}', 'a colon is expected after the member name', '$.a'],
    ['{"a":1,}', 'a member name in quotes is expected here', '$'],
    ['[1 2]', 'a comma or the closing bracket is expected', '$[0]'],
    ['[1}', 'a comma or the closing bracket is expected', '$[0]'],
    ['{"a":1]', 'a comma or the closing bracket is expected', '$.a'],
    ['1 2', 'there is more text after the value', '$'],
    ['{"a":{"b":x}}', 'a JSON value is expected here', '$.a.b'],
    ['-', 'a digit is missing in a number', '$'],
    ['1.', 'a digit is missing in a number', '$'],
    ['1e+', 'a digit is missing in a number', '$'],
  ])('%j: %s', (text, why, path) => {
    expect(details(() => parseJson(text))).toEqual({ path, reason: why })
  })

  it('members whose names the prototype knows are ordinary ones', () => {
    const value = parseJson('{"__proto__":1,"toString":2,"a":3}') as Record<string, unknown>
    for (const name of ['__proto__', 'toString', 'a'])
      expect(Object.getOwnPropertyDescriptor(value, name)).toMatchObject({
        writable: true,
        enumerable: true,
        configurable: true,
      })
  })

  it.each([
    ['0.5e1', 5],
    ['0.0500e2', 5],
    ['50.0', 50],
    ['5e1', 50],
    ['5E+1', 50],
    ['500e-1', 50],
    ['0.0', 0],
    ['-0.0e5', -0],
    ['0e99', 0],
    ['1e21', 1e21],
    ['1.5e300', 1.5e300],
    ['12.5', 12.5],
    ['.5'.replace('.', '0.'), 0.5],
  ])('%s is the number %d', (text, number) => {
    expect(Object.is(parseJson(text), number)).toBe(true)
  })

  it.each(['9007199254740993.0', '1e-400', '0.99999999999999999999', '10.00000000000000000001', '5e-324000'])(
    '%s would be rounded to an integer',
    (text) => {
      expect(reason(() => parseJson(text))).toContain('cannot hold this number exactly')
    },
  )

  it('numbers of 1024 characters, not more', () => {
    expect(parseJson('9'.repeat(1024))).toBe(10n ** 1024n - 1n)
    expect(reason(() => parseJson('9'.repeat(1025)))).toContain('at most 1024 characters')
    expect(reason(() => parseJson('1e999'))).toContain('too large for a double')
  })
})

describe('keys', () => {
  const key = operationKey({ contract: 'c', tenant: 't', scope: 'tenant', scopeId: '', identity: 1 })

  it('every character of an operation key is of base64url', () => {
    const of = (character: string): string => `of1_${character.repeat(42)}A`
    for (const good of 'azAZ09-_mM5') expect(isOperationKey(of(good))).toBe(true)
    for (const bad of '`{@[/:.+ =é') expect(isOperationKey(of(bad))).toBe(false)
    expect(isOperationKey(`of1_${'A'.repeat(41)}.A`)).toBe(false)
    expect(isOperationKey(`of1_.${'A'.repeat(42)}`)).toBe(false)
    expect(
      isOperationKey(Object.assign([...key], { startsWith: () => true, charCodeAt: () => 65, charAt: () => 'A' })),
    ).toBe(false)
  })

  it('downstream: every provider’s form, whatever the case of its name', () => {
    const version = (provider: string | undefined): string => downstreamKey({ key, provider }).charAt(14)
    const forms = { 'uuid-v8': '8', 'uuid-v4': '4' }
    for (const [name, shape] of Object.entries(KEY_SHAPES)) {
      if (shape.form === 'none') {
        expect(details(() => downstreamKey({ key, provider: name }))).toEqual({ provider: name, source: shape.source })
      } else if (shape.form === 'base64url-32') {
        expect(downstreamKey({ key, provider: name })).toHaveLength(32)
      } else {
        expect(version(name.toUpperCase())).toBe(forms[shape.form])
        expect(Object.keys(forms)).toContain(shape.form)
      }
    }
    for (const other of [undefined, 'nobody', 'toString', '__proto__']) expect(version(other)).toBe('8')
  })

  it('downstream: what is left out is the first of its kind', () => {
    expect(downstreamKey({ key })).toBe(downstreamKey({ key, operation: '', ordinal: 0, generation: 0 }))
    expect(details(() => downstreamKey({ key, ordinal: -1 }))['path']).toBe('$.ordinal')
    expect(details(() => downstreamKey({ key, generation: 0.5 }))['path']).toBe('$.generation')
    expect(details(() => downstreamKey({ key, operation: '\ud800' }))['path']).toBe('$.operation')
  })

  it('callers’ keys say why they are refused', () => {
    expect(reason(() => parseCallerKey('a b'))).toContain('blank')
    expect(reason(() => parseCallerKey(' \t '))).toBe('is empty')
    expect(reason(() => parseCallerKey('""'))).toBe('is empty')
    expect(reason(() => parseCallerKey('"a'))).toBe('has no closing quote')
    expect(reason(() => parseCallerKey(`"${'\\"'.repeat(256)}"`))).toBe('is longer than 255 characters')
    expect(parseCallerKey(`  "${'\\"'.repeat(255)}"`)).toBe('"'.repeat(255))
    expect(parseCallerKey(`${' '.repeat(600)}a`)).toBe('a')
    expect(parseCallerKey(`${' '.repeat(600)}a${' '.repeat(600)}`)).toBe('a')
    // Refused for its length before it is read: it has no closing quote either.
    expect(reason(() => parseCallerKey(`"${'a'.repeat(512)}`))).toBe('is longer than 255 characters')
  })
})

describe('differing fields', () => {
  it('a number and its text differ, a bigint and its number do not', () => {
    expect(
      differingFields({ a: 1, b: 2n, c: 3n, d: true, e: '5', f: 0n }, { a: '1', b: 2, c: 4, d: 1, e: 5n, f: '' }),
    ).toEqual(['a', 'c', 'd', 'e', 'f'])
    expect(differingFields(2n, 2)).toEqual([])
    expect(differingFields(1, true)).toEqual(['$'])
    expect(differingFields(1n, 2n)).toEqual(['$'])
  })

  it('in the order of their names', () => {
    expect(differingFields({ b: 1, a: 1 }, { c: 1 })).toEqual(['a', 'b', 'c'])
    expect(differingFields([1, 2, 3], [1, 5, 6])).toEqual(['1', '2'])
  })

  it('no deeper than an input may be', () => {
    const nest = (depth: number, leaf: unknown, list: boolean): unknown => {
      let value = leaf
      for (let level = 0; level < depth; level += 1) value = list ? [value] : { a: value }
      return value
    }
    for (const list of [true, false]) {
      const step = list ? '0' : 'a'
      for (const depth of [64, 65, 70])
        expect(differingFields(nest(depth, 1, list), nest(depth, 2, list))).toEqual([
          Array.from({ length: Math.min(depth, 64) }, () => step).join('.'),
        ])
    }
  })
})
