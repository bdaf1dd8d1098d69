import { expect, it } from 'vitest'
import { methodsAsked } from './asked-method.ts'

it.each([
  [{}, []],
  [{ 'x-http-method-override': ' delete ' }, ['DELETE']],
  [{ 'x-http-method': 'GET', 'x-method-override': 'GET, DELETE' }, ['GET', 'POST']],
  [{ 'x-http-method': '' }, ['POST']],
])('%j asks for %j', (headers, methods) => {
  expect(methodsAsked(headers)).toEqual(methods)
})
