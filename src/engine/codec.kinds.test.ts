import { expect, it } from 'vitest'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { decode, encode } from './codec.ts'

const again = (value: unknown): unknown => decode(encode(value))

it.each([
  ['undefined', undefined, '{"$of":"undefined"}'],
  ['-0', -0, '{"$of":"number","v":"-0"}'],
  ['NaN', NaN, '{"$of":"number","v":"NaN"}'],
  ['a bigint', 5n, '{"$of":"bigint","v":"5"}'],
  ['a date', new Date(0), '{"$of":"date","v":"1970-01-01T00:00:00.000Z"}'],
  ['no date', new Date(NaN), '{"$of":"date","v":"invalid"}'],
  ['a map', new Map([[1, 2n]]), '{"$of":"map","v":[[1,{"$of":"bigint","v":"2"}]]}'],
  ['a set', new Set([1]), '{"$of":"set","v":[1]}'],
  ['a buffer', new Uint8Array([1]).buffer, '{"$of":"buffer","v":"AQ=="}'],
  ['bytes', new Uint8Array([1]), '{"$of":"bytes","v":["Uint8Array","AQ=="]}'],
  ['a Buffer', Buffer.from([1]), '{"$of":"bytes","v":["Buffer","AQ=="]}'],
  ['a url', new URL('https://a.b/'), '{"$of":"url","v":"https://a.b/"}'],
  ['a pattern', /a/gi, '{"$of":"regexp","v":["a","gi"]}'],
  ['headers', new Headers({ a: 'b' }), '{"$of":"headers","v":[["a","b"]]}'],
  ['what looks tagged', { $of: 1 }, '{"$of":"object","v":[["$of",1]]}'],
  ['an error', new Error('m'), '{"$of":"error","v":{"name":"Error","message":"m","own":[]}}'],
  [
    'an error of its own kind',
    Object.assign(new TypeError('m', { cause: 1n }), { code: 'E' }),
    '{"$of":"error","v":{"name":"TypeError","message":"m","cause":{"$of":"bigint","v":"1"},"own":[["code","E"]]}}',
  ],
  ['plain JSON', { a: [1, 'x', true, null] }, '{"a":[1,"x",true,null]}'],
])('%s is stored as these bytes, which older ledgers hold', (_name, value, text) => {
  expect(encode(value)).toBe(text)
  expect(decode(text)).toEqual(value)
})

it.each([
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
] as const)('%o keeps its kind and its numbers', (View) => {
  const copy = again(new View([1, 2])) as Uint8Array
  expect(copy).toBeInstanceOf(View)
  expect([...copy]).toEqual([1, 2])
})

it('views of 64 bits and of bytes keep their kind', () => {
  expect(again(new BigInt64Array([-1n]))).toEqual(new BigInt64Array([-1n]))
  expect(again(new BigUint64Array([1n]))).toEqual(new BigUint64Array([1n]))
  const view = again(new DataView(new Uint8Array([7]).buffer)) as DataView
  expect(view).toBeInstanceOf(DataView)
  expect(view.getUint8(0)).toBe(7)
  expect(again(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toEqual(new Uint8Array([2, 3]))
  const part = new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1)
  expect((again(part) as DataView).byteLength).toBe(1)
})

it('a view of a kind of its own comes back as the kind it extends; one of an unknown kind is refused when it is stored', () => {
  class Frame extends Uint8Array {}
  expect(encode(new Frame([1]))).toBe('{"$of":"bytes","v":["Uint8Array","AQ=="]}')
  class Unknown extends Uint8Array {
    override get [Symbol.toStringTag](): 'Uint8Array' {
      return 'Float16Array' as 'Uint8Array'
    }
  }
  expect(thrownBy(() => encode(new Unknown([1])))).toMatchObject({ code: 'INPUT_INVALID', effect: 'done' })
})

it('an error keeps name, cause and own fields, none of them twice', () => {
  const error = Object.assign(new Error('m'), { extra: undefined })
  error.name = 'Odd'
  Object.defineProperty(error, '__proto__', { value: 1, enumerable: true })
  const copy = again(error) as Error
  expect(Object.keys(copy).sort()).toEqual(['__proto__', 'extra'])
  expect(copy.name).toBe('Odd')
  expect('cause' in copy).toBe(false)
  copy.name = 'Changed'
  expect(copy.name).toBe('Changed')
  const enumerable = Object.assign(new Error('m'), { cause: 1, message: 'm', stack: 's' })
  expect(Object.keys(again(enumerable) as Error)).toEqual([])
})

it('nesting to the limit, no deeper', () => {
  const nest = (depth: number): unknown => (depth === 0 ? [] : [nest(depth - 1)])
  expect(again(nest(256))).toEqual(nest(256))
  expect(thrownBy(() => encode(nest(257)))).toMatchObject({ code: 'INPUT_INVALID', effect: 'done' })
})

it('own members only, whatever the prototype', () => {
  const child = Object.create({ inherited: 1 }) as Record<string, unknown>
  child['own'] = 1
  expect(encode(child)).toBe('{"own":1}')
  expect(encode(Object.assign({}, { toJSON: 1 }))).toBe('{"toJSON":1}')
  const withJson = Object.assign(Object.create(null) as object, { a: 1 })
  expect(encode(withJson)).toBe('{"a":1}')
  const copy = decode('{"__proto__":{"a":1}}') as object
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
  expect(Object.getOwnPropertyDescriptor(copy, '__proto__')).toEqual({
    value: { a: 1 },
    enumerable: true,
    configurable: true,
    writable: true,
  })
  class Silent {
    readonly a = 1
  }
  expect(encode(new Silent())).toBe('{"a":1}')
  class Telling {
    toJSON(): unknown {
      return [this instanceof Telling]
    }
  }
  expect(encode(new Telling())).toBe('[true]')
})

it('text that it did not make is a SyntaxError', () => {
  for (const text of [
    '{',
    '{"$of":"map","v":1}',
    '{"$of":"url","v":"no"}',
    '{"$of":"bytes","v":["Nothing","AA=="]}',
    '{"$of":"other"}',
  ]) {
    expect(thrownBy(() => decode(text))).toBeInstanceOf(SyntaxError)
  }
  expect((thrownBy(() => decode('{"$of":"url","v":"no"}')) as Error).cause).toBeInstanceOf(TypeError)
  expect((thrownBy(() => decode('{"$of":"other"}')) as Error).message).toContain('"other"')
})

it('what an error says of itself in its own members is written once', () => {
  const error = Object.assign(new Error('m'), { name: 'N', message: 'm', stack: 's', cause: 1, code: 'E' })
  expect(encode(error)).toBe('{"$of":"error","v":{"name":"N","message":"m","cause":1,"own":[["code","E"]]}}')
  const copy = again(error) as Error
  expect(Object.getOwnPropertyDescriptor(copy, 'name')).toMatchObject({ configurable: true, writable: true })
})

it('what a class declares of its errors anew is written once, and no stack is', () => {
  class Refused extends Error {
    override message = 'no'
    override stack = 'at secret.ts'
    code = 'E'
  }
  expect(encode(new Refused())).toBe('{"$of":"error","v":{"name":"Error","message":"no","own":[["code","E"]]}}')
})

it('only a class speaks for itself: a plain object with a toJSON is refused for its function', () => {
  const plain = { toJSON: () => 1 }
  expect(thrownBy(() => encode(plain))).toMatchObject({ code: 'INPUT_INVALID' })
  expect(thrownBy(() => encode(Object.assign(Object.create(null) as object, plain)))).toMatchObject({
    code: 'INPUT_INVALID',
  })
})

it('a cycle is called one', () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  expect((thrownBy(() => encode(cycle)) as Error).message).toContain('a cycle')
  expect((thrownBy(() => decode('{"$of":"bytes","v":["Nothing","AA=="]}')) as Error).message).toBe(
    'unknown view Nothing',
  )
})

it.each([
  ['a response', new Response('{"id":"re_1"}')],
  ['a stream', new ReadableStream()],
  ['a blob', new Blob(['x'])],
  ['a form', new FormData()],
  ['a query', new URLSearchParams('a=1')],
  ['a generator', (function* numbers() {})()],
  ['a promise', Promise.resolve(1)],
  ['a weak map', new WeakMap()],
  ['a boxed number', Object(1) as object],
  ['shared memory', new SharedArrayBuffer(1)],
  [
    'private fields',
    new (class Receipt {
      readonly #id = 1
      id(): number {
        return this.#id
      }
    })(),
  ],
  ['a nameless class', Object.create(Object.create(null) as object) as object],
])('%s would come back empty and is refused, wherever it lies', (_name, value) => {
  for (const item of [value, { charge: [value] }])
    expect(thrownBy(() => encode(item))).toMatchObject({ code: 'INPUT_INVALID', effect: 'done' })
})

it('an error of several keeps them', () => {
  const copy = again(new AggregateError([new Error('one'), 2], 'm')) as AggregateError
  expect(copy.message).toBe('m')
  expect(copy.errors.map(String)).toEqual(['Error: one', '2'])
  const enumerable = Object.assign(new Error('m'), { errors: [1] })
  expect(encode(enumerable)).toBe('{"$of":"error","v":{"name":"Error","message":"m","own":[["errors",[1]]]}}')
})
