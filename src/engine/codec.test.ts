import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode, encode } from './codec.ts'

const again = (value: unknown): unknown => decode(encode(value))

describe('the tagged codec', () => {
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['NaN', NaN],
    ['infinities', [Infinity, -Infinity]],
    ['negative zero', -0],
    ['bigint', 12345678901234567890n],
    ['date', new Date(1_700_000_000_123)],
    [
      'map',
      new Map<unknown, unknown>([
        ['a', undefined],
        [{ k: 1 }, new Set([1n])],
      ]),
    ],
    ['set', new Set(['x', null, undefined])],
    ['bytes', new Uint8Array([0, 255, 7])],
    ['buffer', Buffer.from('answer')],
    ['array buffer', new Uint8Array([1, 2, 3]).buffer],
    ['floats', new Float64Array([1.5, -2])],
    ['url', new URL('https://example.org/a?b=c')],
    ['regexp', /a+b/giu],
    ['headers', new Headers({ 'x-a': '1', 'content-type': 'text/plain' })],
    ['nested undefined', { a: undefined, b: [undefined, { c: undefined }] }],
    ['an object that looks tagged', { $of: 'date', v: 'not one' }],
    ['own __proto__', JSON.parse('{"__proto__": {"polluted": true}}')],
    ['no prototype', Object.assign(Object.create(null) as object, { a: 1 })],
  ])('gives back %s', (_name, value) => {
    expect(again(value)).toEqual(value)
  })

  it('gives back the very kinds', () => {
    expect(Object.is(again(-0), -0)).toBe(true)
    expect(again(new Date(NaN))).toSatisfy((date: Date) => Number.isNaN(date.getTime()))
    expect(again(Buffer.from('a'))).toBeInstanceOf(Buffer)
    expect(again(new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2))).toEqual(new Uint8Array([2, 3]))
    expect(again([undefined])).toHaveLength(1)
  })

  it('gives back errors with name, message, cause and own fields', () => {
    const error = Object.assign(new TypeError('wrong', { cause: new Error('deeper') }), {
      code: 'E_WRONG',
      status: 409,
    })
    const copy = again(error) as Error & { code: string; status: number }
    expect(copy).toBeInstanceOf(Error)
    expect(copy).toMatchObject({ name: 'TypeError', message: 'wrong', code: 'E_WRONG', status: 409 })
    expect((copy.cause as Error).message).toBe('deeper')
  })

  it('takes what a class says of itself, and the data of one that says nothing', () => {
    class Money {
      readonly cents: number
      constructor(cents: number) {
        this.cents = cents
      }
    }
    expect(again(new Money(5))).toEqual({ cents: 5 })
    expect(again(Object.create({ toJSON: () => ({ id: 7 }) }) as object)).toEqual({ id: 7 })
  })

  it('refuses what cannot be given back', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    let deep: unknown = 1
    for (let level = 0; level < 300; level += 1) deep = [deep]
    for (const value of [() => 1, Symbol('s'), { f: () => 1 }, cycle, deep]) {
      expect(() => encode(value)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', effect: 'done' }))
    }
  })

  it('the same object twice is no cycle', () => {
    const shared = { a: 1 }
    expect(again([shared, shared])).toEqual([shared, shared])
  })

  it('never pollutes a prototype and refuses tags that it did not make', () => {
    decode('{"__proto__":{"polluted":1},"a":{"$of":"object","v":[["__proto__",{"polluted":1}]]}}')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(() => decode('{"$of":"constructor","v":1}')).toThrow(SyntaxError)
    expect(() => decode('{"$of":"bytes","v":["constructor","AA=="]}')).toThrow(SyntaxError)
  })

  it('round trip for any JSON value and more', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
        (value) => {
          expect(again(value)).toEqual(value)
        },
      ),
      { numRuns: 500 },
    )
  })
})
