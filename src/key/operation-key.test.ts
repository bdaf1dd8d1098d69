import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readVectors } from '../../test/vectors/read.ts'
import { isOperationKey, keyBytes, keyFromBytes, operationKey, type OperationKeyParts } from './operation-key.ts'

interface Vector {
  readonly name: string
  readonly contract: string
  readonly tenant: string
  readonly scope: string
  readonly scopeId: string
  readonly identity: unknown
  readonly occurrence: number
  readonly secret: string | null
  readonly key: string
}

const parts: OperationKeyParts = { contract: 'c', tenant: 't', scope: 'tenant', scopeId: '', identity: { id: 1 } }

describe('operationKey', () => {
  it.each(readVectors<Vector>('operation-keys').vectors)('$name', ({ key, secret, ...parts }) => {
    expect(operationKey({ ...parts, secret: secret ?? undefined })).toBe(key)
    expect(operationKey({ ...parts, secret: secret === null ? undefined : Buffer.from(secret) })).toBe(key)
    expect(isOperationKey(key)).toBe(true)
    expect(keyFromBytes(keyBytes(key))).toBe(key)
  })

  it('has 1 as its occurrence where none is given', () => {
    expect(operationKey(parts)).toBe(operationKey({ ...parts, occurrence: 1 }))
  })

  it('differs where any part differs, also when their joined text is the same', () => {
    const field = fc.string({ unit: fc.constantFrom('a', 'b', ':', '\0', 'é', '1'), maxLength: 3 })
    const any = fc.record({
      contract: field,
      tenant: field,
      scope: field,
      scopeId: field,
      identity: fc.oneof(field, fc.array(field, { maxLength: 2 })),
      occurrence: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(any, any, (a, b) => {
        expect(operationKey(a) === operationKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
  })

  it('refuses parts that it cannot tell apart, naming them', () => {
    const refused: readonly (readonly [Partial<Record<keyof OperationKeyParts, unknown>>, string])[] = [
      [{ contract: undefined }, '$.contract'],
      [{ tenant: '\ud800' }, '$.tenant'],
      [{ scopeId: 5 }, '$.scopeId'],
      [{ occurrence: 0 }, '$.occurrence'],
      [{ occurrence: 1.5 }, '$.occurrence'],
      [{ identity: undefined }, '$'],
      [{ identity: { id: Number.NaN } }, '$.id'],
    ]
    for (const [change, path] of refused) {
      expect(() => operationKey({ ...parts, ...change } as OperationKeyParts)).toThrow(
        expect.objectContaining({ code: 'INPUT_INVALID', details: expect.objectContaining({ path }) }),
      )
    }
    expect(() => operationKey({ ...parts, secret: '' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(() => operationKey({ ...parts, secret: new Uint8Array() })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })
})

describe('keys and bytes stand one to one', () => {
  it('for all bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const key = keyFromBytes(bytes)
        expect(isOperationKey(key)).toBe(true)
        expect(keyBytes(key)).toEqual(bytes)
      }),
    )
  })

  it('and nothing else is a key', () => {
    const key = operationKey(parts)
    const last = key.charAt(key.length - 1)
    for (const text of [
      '',
      'of1_',
      key.slice(1),
      `${key}A`,
      `${key.slice(0, -1)}`,
      key.replace('of1_', 'of2_'),
      `${key.slice(0, -1)}=`,
    ]) {
      expect(isOperationKey(text)).toBe(false)
      expect(() => keyBytes(text)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    }
    expect(isOperationKey(5)).toBe(false)
    // The bits that 43 characters have and 32 bytes have not.
    const next = 'AEIMQUYcgkosw048'.includes(last) ? String.fromCharCode(last.charCodeAt(0) + 1) : 'B'
    expect(isOperationKey(key.slice(0, -1) + next)).toBe(false)
    expect(() => keyFromBytes(new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  })
})
