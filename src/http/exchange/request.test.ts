import { describe, expect, it } from 'vitest'
import { freeze, viewOf, type FrozenRequest, type RequestFacts } from './request.ts'

const facts = (body: string | Uint8Array, more: Partial<RequestFacts> = {}): RequestFacts => ({
  method: 'POST',
  path: '/orders/7',
  search: '?a=1&b=2&a=3&__proto__=x',
  params: { id: '7' },
  headers: {
    'content-type': 'application/json; charset=utf-8',
    authorization: 'Bearer x',
    cookie: 'a=b',
    'x-event': 'e',
    'x-more': 'm',
  },
  body: { kind: 'bytes', bytes: Buffer.from(body) },
  ...more,
})
const options = { headers: new Set(['x-event']), inlineBytes: 100, whole: false, blob: true, shared: false }
const frozen = (body: string | Uint8Array, more?: Partial<RequestFacts>): FrozenRequest =>
  freeze(facts(body, more), options)

describe('a frozen request', () => {
  it('holds what is needed to send it again, and no credentials', () => {
    const found = frozen('{"a":1}')
    expect(found.headers).toEqual({ 'content-type': 'application/json; charset=utf-8', 'x-event': 'e' })
    expect([found.secret, found.body]).toEqual([true, { text: '{"a":1}' }])
    expect(JSON.stringify(found)).not.toContain('Bearer')
  })

  it('holds every header that a service may go by where it is to be made again', () => {
    const headers = {
      ...facts('').headers,
      host: 'shop.example',
      'stripe-account': 'acct_1',
      'x-goog-api-key': 'canary',
      'x-event-token': 'named by the operator',
      'accept-encoding': 'gzip',
      'content-length': '7',
      connection: 'x-hop',
      'x-hop': '1',
    }
    const more = { ...options, headers: new Set(['x-event', 'x-event-token']), whole: true }
    const found = freeze(facts('{"a":1}', { headers }), more)
    expect(found.headers).toEqual({
      'content-type': 'application/json; charset=utf-8',
      host: 'shop.example',
      'stripe-account': 'acct_1',
      'x-event': 'e',
      'x-event-token': 'named by the operator',
      'x-more': 'm',
    })
    expect(found.proof).toBeUndefined()
    const [one, two] = ['a', 'b'].map((authorization) =>
      freeze(facts('', { headers: { authorization } }), { ...more, shared: true }),
    )
    expect([one?.proof === two?.proof, JSON.stringify(one)]).toEqual([false, expect.not.stringContaining('"a"')])
  })

  it('keeps bytes that are no text, and names those that are too many', () => {
    expect(frozen(Buffer.from([0xff, 0xfe])).body).toEqual({ base64: '//4=' })
    expect(frozen('x'.repeat(101)).body).toEqual({ sha256: expect.any(String), size: 101, blob: true })
  })

  it('is seen with its path, query, headers and parsed body', () => {
    const view = viewOf(frozen('{"id":12345678901234567890}'))
    expect(view).toMatchObject({ method: 'POST', path: { id: '7' }, body: { id: 12345678901234567890n } })
    expect(Object.entries(view.query)).toEqual([
      ['a', ['1', '3']],
      ['b', '2'],
      ['__proto__', 'x'],
    ])
  })

  it('keeps apart what a query escapes that is no UTF-8', () => {
    const queryOf = (search: string): unknown => viewOf(frozen('', { search })).query
    expect(queryOf('?name=M%FCller&b=%C3%BC+1&c=100%&d=%EF%BF%BD&%FC=')).toEqual({
      name: { raw: 'M%FCller' },
      b: 'ü 1',
      c: '100%',
      d: '\uFFFD',
      '%FC': { raw: '' },
    })
    for (const other of ['?name=M%F6ller', '?name=M%25FCller', '?name=M%EF%BF%BDller'])
      expect(queryOf(other)).not.toEqual(queryOf('?name=M%FCller'))
  })

  it('can be identified by fields of a body that is too large for the record', () => {
    const large = JSON.stringify({ id: 'a', pad: 'x'.repeat(200) })
    expect(viewOf(frozen(large)).body).toMatchObject({ id: 'a' })
  })

  it.each([
    ['no strict JSON', '{"a":1,"a":2}', {}],
    ['compressed', '{"a":1}', { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } }],
    ['of another type', '{"a":1}', { headers: { 'content-type': 'text/plain' } }],
  ])('a body that is %s stands for its bytes', (_name, body, more) => {
    expect(viewOf(frozen(body, more)).body).toEqual({ sha256: expect.stringMatching(/^[\w-]{43}$/) })
  })
})
