import { describe, expect, it } from 'vitest'
import { isFieldPath, omit, overlap, valueAt } from './fields.ts'

describe('valueAt', () => {
  const input = { a: { b: [{ c: 1 }], n: null }, text: 'abc' }
  it.each([
    ['a.b.0.c', 1],
    ['a.n', null],
    ['a.n.x', undefined],
    ['a.x', undefined],
    ['text.length', undefined],
    ['a.b.length', undefined],
    ['toString', undefined],
    ['constructor.name', undefined],
    ['__proto__', undefined],
    ['__proto__.toString', undefined],
    ['a.b.map', undefined],
  ])('%s', (path, value) => {
    expect(valueAt(input, path)).toEqual(value)
  })

  it('calls no accessor', () => {
    const trap = {
      get id(): never {
        throw new Error('called')
      },
    }
    expect(valueAt(trap, 'id')).toBeUndefined()
    expect(valueAt(undefined, 'id')).toBeUndefined()
  })

  it('finds an own __proto__', () => {
    expect(valueAt(JSON.parse('{"__proto__":{"id":1}}'), '__proto__.id')).toBe(1)
  })
})

describe('omit', () => {
  it('leaves the input alone and shares what it does not change', () => {
    const input = { a: { b: 1, c: 2 }, d: { e: 3 }, f: [1] }
    const result = omit(input, ['a.b', 'f', 'x.y', 'd.x']) as typeof input
    expect(result).toEqual({ a: { c: 2 }, d: { e: 3 } })
    expect(result.d).toEqual(input.d)
    expect(input).toEqual({ a: { b: 1, c: 2 }, d: { e: 3 }, f: [1] })
    expect(omit(input, [])).toBe(input)
    expect(omit(input, ['x'])).toBe(input)
    expect(omit(undefined, ['x'])).toBeUndefined()
  })

  it('keeps __proto__ as data and accessors uncalled', () => {
    const input = JSON.parse('{"__proto__":{"x":1},"a":1}') as object
    expect(JSON.stringify(omit(input, ['a']))).toBe('{"__proto__":{"x":1}}')
    expect(JSON.stringify(omit(input, ['__proto__']))).toBe('{"a":1}')
    const trap = Object.defineProperty({ a: 1 }, 'id', {
      enumerable: true,
      get: () => {
        throw new Error('called')
      },
    })
    expect(Object.getOwnPropertyDescriptor(omit(trap, ['a']), 'id')).toHaveProperty('get')
  })
})

it('overlap', () => {
  expect(overlap('a', 'a')).toBe(true)
  expect(overlap('a', 'a.b')).toBe(true)
  expect(overlap('a.b', 'a')).toBe(true)
  expect(overlap('a', 'ab')).toBe(false)
  expect(overlap('a.b', 'a.c')).toBe(false)
})

it('isFieldPath', () => {
  expect(['a', 'a.b', '__proto__', 'a b'].every(isFieldPath)).toBe(true)
  expect(['', '.', 'a.', '.a', 'a..b', 5, null, '\ud800'].some(isFieldPath)).toBe(false)
})
