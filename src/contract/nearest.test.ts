import { expect, it } from 'vitest'
import { nearest } from './nearest.ts'

it('nearest finds what was meant and is silent where nothing is near', () => {
  const words = ['identity', 'ignore', 'retention', 'all', 'recovery']
  expect(nearest('identiy', words)).toBe('identity')
  expect(nearest('Recovery', words)).toBe('recovery')
  expect(nearest('retentoin', words)).toBe('retention')
  expect(nearest('banana', words)).toBeUndefined()
  expect(nearest('x'.repeat(1_000_000), words)).toBeUndefined()
  expect(nearest('xyz', ['all'])).toBeUndefined()
})
