import { expect, it } from 'vitest'
import { OnefoldError } from './index.ts'

const mark = Symbol.for('langchain.errors.retryable')
const signs = (error: object): readonly unknown[] => [
  (error as Record<symbol, unknown>)[mark],
  (error as { status?: unknown }).status,
]

it('tells retry engines to let it be where a repeat cannot help, and only there', () => {
  expect(signs(new OnefoldError('IN_DOUBT', 'text', { effect: 'unknown' }))).toEqual([false, 409])
  expect(signs(new OnefoldError('IN_PROGRESS', 'text', { retryable: true }))).toEqual([undefined, undefined])
})

it('shows no sign in what is stored or printed of it', () => {
  const keys = Object.keys(new OnefoldError('IN_DOUBT', 'text'))
  expect(keys.toSorted()).toEqual(['code', 'details', 'effect', 'key', 'name', 'retryAfterMs', 'retryable', 'ticket'])
})
