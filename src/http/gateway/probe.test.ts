import { describe, expect, it } from 'vitest'
import { fillTarget, readProbe } from './probe.ts'

const json = (value: unknown, status = 200) => ({ status, headers: [], body: JSON.stringify(value) })

describe('a probe', () => {
  it('asks with what the operation has, escaped; not at all where something is missing', () => {
    const source = { body: { ref: 'a/b?c', n: 12345678901234567890n }, path: { id: '7' } }
    expect(fillTarget('/o/{path.id}?ref={body.ref}&n={body.n}&k={key}', source, 'K')).toBe(
      '/o/7?ref=a%2Fb%3Fc&n=12345678901234567890&k=K',
    )
    expect(fillTarget('/o?ref={body.none}', source, undefined)).toBeUndefined()
    expect(fillTarget('/o?ref={body.constructor}', source, undefined)).toBeUndefined()
  })

  it.each(['', '.', '..', '../x', 'x/..', 'x\\..\\y'])('asks nothing that %j would make of its path', (ref) => {
    expect(fillTarget('/o/{body.ref}', { body: { ref } }, undefined)).toBeUndefined()
    expect(fillTarget('/o/{body.ref}/lines?n=1', { body: { ref } }, undefined)).toBeUndefined()
  })

  it('asks with dots that make nothing of it', () => {
    const source = { body: { ref: '..', name: 'v1..2/.x/y.' } }
    expect(fillTarget('/o/{body.name}?ref={body.ref}', source, undefined)).toBe('/o/v1..2%2F.x%2Fy.?ref=..')
    expect(fillTarget('/o?ref={body.ref}', { body: { ref: '' } }, undefined)).toBeUndefined()
  })

  it.each([
    ['the value is there', json({ order: { id: 'x' } }), 'body.order.id', true],
    ['null is not there', json({ order: null }), 'body.order', false],
    ['an empty list', json({ orders: [] }), 'body.orders.0', false],
    ['a list', json([{ id: 1 }]), 'body.0.id', true],
    ['an empty top list', json([]), 'body.0.id', false],
    ['404', json({}, 404), 'body.order', false],
    ['an answer of another form', json({ message: 'hi' }), 'body.order.id', 'unknown'],
    ['an error', json({}, 503), 'body.order', 'unknown'],
    ['no JSON', { status: 200, headers: [], body: '<html>' }, 'body.order', 'unknown'],
    ['any success, without a path', json('x'), undefined, true],
  ])('%s', (_name, answer, found, verdict) => {
    expect(readProbe(answer, found).found).toBe(verdict)
  })
})
