import { describe, expect, it } from 'vitest'
import { readVectors } from '../../test/vectors/read.ts'
import { fingerprint, fingerprintText } from './fingerprint.ts'

interface Vector {
  readonly name: string
  readonly binding: unknown
  readonly canonical: string
  readonly secret: string | null
  readonly fingerprint: string
}

describe('fingerprint', () => {
  it.each(readVectors<Vector>('fingerprints').vectors)('$name', (vector) => {
    const secret = vector.secret ?? undefined
    expect(fingerprint(vector.binding, secret)).toBe(vector.fingerprint)
    expect(fingerprintText(vector.canonical, secret)).toBe(vector.fingerprint)
  })

  it('refuses what has no canonical form', () => {
    expect(() => fingerprint({ a: [new Date(0)] })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', details: expect.objectContaining({ path: '$.a[0]' }) }),
    )
  })
})
