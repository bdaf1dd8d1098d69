import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, thrownBy } from '../../test/vectors/attempt.ts'
import { readVectors } from '../../test/vectors/read.ts'
import { parseCallerKey } from './caller-key.ts'

describe('parseCallerKey', () => {
  const { vectors } = readVectors<{ name: string; sent: string; key: string | null }>('caller-keys')
  it.each(vectors.filter((vector) => vector.key !== null))('$name', ({ sent, key }) => {
    expect(parseCallerKey(sent)).toBe(key)
  })

  it.each(vectors.filter((vector) => vector.key === null))('refuses: $name', ({ sent }) => {
    expect(() => parseCallerKey(sent)).toThrow(expect.objectContaining({ code: 'KEY_INVALID', effect: 'none' }))
  })

  it('refuses what is no text', () => {
    expect(() => parseCallerKey(undefined as unknown as string)).toThrow(
      expect.objectContaining({ code: 'KEY_INVALID' }),
    )
  })

  it('reads every key the same, bare and quoted', () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    })
    fc.assert(
      fc.property(visible, (key) => {
        expect(parseCallerKey(`"${key.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)).toBe(key)
        expect(key.startsWith('"') ? key : parseCallerKey(key)).toBe(key)
      }),
    )
  })

  it('throws nothing but KEY_INVALID, and gives nothing but visible ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', '\\', 'a', ' ', '\t', '\0', 'é', ',') }), (text) => {
        let key: string | undefined
        const error = thrownBy(() => (key = parseCallerKey(text)))
        expect(error === undefined || codeOf(error) === 'KEY_INVALID').toBe(true)
        expect(key ?? 'none').toMatch(/^[!-~]{1,255}$/)
      }),
    )
  })
})
