import { describe, expect, it } from 'vitest'
import { movedTo, nextHop, withoutCredentials } from './redirect.ts'

const hop = (status: number, location: string | undefined, method = 'POST', from = 'http://a.example/x') =>
  nextHop(new Response(null, { status, headers: location === undefined ? {} : { location } }), method, new URL(from))

describe('where a redirected write goes on', () => {
  it('as itself on its own host, also with TLS added', () => {
    expect(hop(307, '/y')).toMatchObject({ method: 'POST', isRead: false, url: new URL('http://a.example/y') })
    expect(hop(308, 'https://a.example/y')).toMatchObject({ method: 'POST', isRead: false })
    expect(hop(301, '/y', 'PUT')).toMatchObject({ method: 'PUT', isRead: false })
  })

  it('never as itself to another host, port or without TLS', () => {
    expect(hop(307, 'http://b.example/y')).toBeUndefined()
    expect(hop(308, 'http://a.example:8080/y')).toBeUndefined()
    expect(hop(307, 'http://a.example/y', 'POST', 'https://a.example/x')).toBeUndefined()
    expect(hop(302, 'http://b.example/y', 'DELETE')).toBeUndefined()
  })

  it('as a read of the result, anywhere', () => {
    expect(hop(303, 'http://b.example/y', 'PUT')).toMatchObject({ method: 'GET', isRead: true })
    expect(hop(302, '/y')).toMatchObject({ method: 'GET', isRead: true })
  })

  it('nowhere without a location that is HTTP', () => {
    expect(hop(307, undefined)).toBeUndefined()
    expect(hop(303, 'ftp://a.example/')).toBeUndefined()
    expect(hop(200, '/y')).toBeUndefined()
  })

  it('without credentials at another origin', () => {
    const headers = new Headers({ authorization: 'x', 'content-type': 'y', accept: 'z', 'idempotency-key': 'k' })
    const at = (to: string) =>
      Object.keys(Object.fromEntries(withoutCredentials(headers, new URL('http://a.example'), new URL(to))))
    expect(at('http://a.example/y')).toEqual(['accept', 'authorization'])
    expect(at('http://b.example/y')).toEqual(['accept'])
  })
})

it('moves as itself only where the method and the path stay', () => {
  const moved = (status: number, location: string | undefined, method = 'POST') =>
    movedTo(status, location, method, new URL('http://a.example/x?n=1'))
  expect([307, 308].map((status) => moved(status, 'https://b.example/x?n=1'))).toEqual(
    Array(2).fill('https://b.example'),
  )
  expect(moved(307, '/x?n=1')).toBe('http://a.example')
  expect(moved(302, 'http://b.example/x?n=1', 'PUT')).toBe('http://b.example')
  for (const other of ['http://b.example/y?n=1', 'http://b.example/x', 'http://', undefined])
    expect(moved(307, other)).toBeUndefined()
  for (const status of [200, 301, 302, 303, 304]) expect(moved(status, 'http://b.example/x?n=1')).toBeUndefined()
})
