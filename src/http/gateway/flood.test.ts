import { expect, it } from 'vitest'
import { createBreaker } from './flood.ts'

it('opens for one client and operation, until it has been quiet for a window', () => {
  let now = 0
  const breaker = createBreaker({ most: 3, windowMs: 100, nowMs: () => now })
  for (let n = 0; n < 3; n += 1) breaker.duplicate('a')
  expect(breaker.refuses('a')).toBeUndefined()
  breaker.duplicate('a')
  expect([breaker.refuses('a'), breaker.refuses('b')]).toEqual([100, undefined])
  now = 90
  expect(breaker.refuses('a')).toBe(100)
  now = 189
  expect(breaker.refuses('a')).toBe(100)
  now = 289
  expect(breaker.refuses('a')).toBeUndefined()
})

it('forgets duplicates of an earlier window, and does not grow without end', () => {
  let now = 0
  const breaker = createBreaker({ most: 3, windowMs: 100, nowMs: () => now })
  for (let n = 0; n < 20; n += 1) {
    breaker.duplicate('slow')
    now += 40
    expect(breaker.refuses('slow')).toBeUndefined()
  }
  for (let n = 0; n < 30_000; n += 1) breaker.duplicate(`one ${n}`)
})
