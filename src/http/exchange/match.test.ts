import { describe, expect, it } from 'vitest'
import { firstMatch, readPattern, segmentsOf, type Pattern } from './match.ts'

const pattern = (text: string): Pattern => {
  const read = readPattern(text)
  if (!('match' in read)) throw new Error(read.problem)
  return read
}
const values = (text: string, path: string): unknown => pattern(text).match(segmentsOf(path) ?? [])

describe('a route', () => {
  it.each([
    ['POST /v1/orders', '/v1/orders', {}],
    ['POST /v1/orders', '/v1/orders/', undefined],
    ['POST /v1/orders/:id', '/v1/orders/a%20b', { id: 'a b' }],
    ['POST /v1/orders/:id/cancel', '/v1/orders/7/cancel', { id: '7' }],
    ['POST /v1/*/cancel', '/v1/x/cancel', { 1: 'x' }],
    ['GET /**', '/', { '*': '' }],
    ['GET /v1/**', '/v1/a/b', { '*': 'a/b' }],
    ['GET /v1/**', '/v2/a', undefined],
    ['POST /v1/orders', '/v1/%6frders', {}],
  ])('%s and %s', (text, path, found) => {
    expect(values(text, path)).toEqual(found)
  })

  it.each(['orders', 'POST', 'POTS /a', 'POST /a b', 'POST /**/a', 'POST /:a/:a', 'POST /:-'])('%s is none', (text) => {
    expect(readPattern(text)).toMatchObject({ problem: expect.any(String), fix: expect.any(String) })
  })

  it('the first that fits is taken; GET routes are for HEAD as well', () => {
    const routes = ['POST /a/b', 'POST /a/:id', '* /**', 'GET /x'].map((text) => ({ pattern: pattern(text) }))
    const taken = (method: string, path: string): string | undefined =>
      firstMatch(routes, method, segmentsOf(path) ?? [])?.route.pattern.text
    expect([taken('POST', '/a/b'), taken('POST', '/a/c'), taken('PUT', '/a/c')]).toEqual([
      'POST /a/b',
      'POST /a/:id',
      '* /**',
    ])
    expect(firstMatch([routes[3]!], 'HEAD', ['x'])?.route.pattern.text).toBe('GET /x')
  })
})

it.each(['', 'a', '/..', '/a/./b', '/%2e%2e/b', '/a%2fb', '/a%5cb', '/a\\b', '/%', '/%zz', '/a%00', '/\u0001'])(
  'the path %j is refused',
  (path) => {
    expect(segmentsOf(path)).toBeUndefined()
  },
)
