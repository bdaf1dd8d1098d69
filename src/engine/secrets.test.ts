import { describe, expect, it } from 'vitest'
import { secretsOf } from './secrets.ts'

describe('secretsOf', () => {
  it('passes secrets on, and takes null for the time before there was one', () => {
    expect(secretsOf({})).toEqual({ keySecret: undefined, previousSecrets: [] })
    const bytes = new Uint8Array([1])
    expect(secretsOf({ keySecret: 'b', previousSecrets: [bytes, null] })).toEqual({
      keySecret: 'b',
      previousSecrets: [bytes, undefined],
    })
  })

  it.each([
    [{ keySecret: '' }, 'keySecret is no secret. Give text or bytes, or none at all.'],
    [{ keySecret: null }, 'keySecret is no secret.'],
    [
      { previousSecrets: ['a', undefined] },
      'previousSecrets[1] is no secret. Give text or bytes, or null for the time',
    ],
    [{ previousSecrets: [new Uint8Array()] }, 'previousSecrets[0] is no secret.'],
  ])('refuses %j', (given, message) => {
    expect(() => secretsOf(given as never)).toThrow(message)
  })
})
