import { describe, expect, it } from 'vitest'
import { readVectors } from '../../test/vectors/read.ts'
import { downstreamKey, type DownstreamKeyParts } from './downstream-key.ts'
import { KEY_SHAPES } from './key-shapes.ts'
import { operationKey } from './operation-key.ts'

interface Vector extends Omit<DownstreamKeyParts, 'provider' | 'secret'> {
  readonly name: string
  readonly provider: string | null
  readonly secret: string | null
  readonly downstreamKey: string
}

const file = readVectors<Vector, { readonly takeNoKey: readonly string[] }>('downstream-keys')
const key = operationKey({ contract: 'c', tenant: 't', scope: 'tenant', scopeId: '', identity: 1 })

describe('downstreamKey', () => {
  it.each(file.vectors)('$name ($provider)', ({ provider, secret, downstreamKey: expected, ...parts }) => {
    expect(downstreamKey({ ...parts, provider: provider ?? undefined, secret: secret ?? undefined })).toBe(expected)
  })

  it('knows no other provider than the vectors do', () => {
    const keyed = new Set(file.vectors.map((vector) => vector.provider?.toLowerCase()))
    for (const [name, shape] of Object.entries(KEY_SHAPES)) {
      expect(shape.form === 'none' ? file.takeNoKey : [...keyed]).toContain(name)
      expect(shape.source).toMatch(/^https:\/\//)
    }
  })

  const keyed = Object.entries(KEY_SHAPES).flatMap(([provider, shape]) =>
    shape.form === 'none' ? [] : [{ provider, shape }],
  )
  it.each(keyed)('keeps to the limits of $provider', ({ provider, shape }) => {
    const text = downstreamKey({ key, provider })
    expect(text.length).toBeGreaterThanOrEqual(shape.minLength ?? 1)
    expect(text.length).toBeLessThanOrEqual(shape.maxLength ?? 255)
    expect(text).toMatch(
      shape.form === 'base64url-32'
        ? /^[A-Za-z0-9_-]{32}$/
        : /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
  })

  it.each(file.takeNoKey)('says what to use instead of a key at %s', (provider) => {
    expect(() => downstreamKey({ key, provider })).toThrow(
      expect.objectContaining({
        code: 'CONTRACT_INVALID',
        message: expect.stringMatching(/takes no idempotency key.*(probe|manual|idempotent|onefold\/llm)/),
      }),
    )
  })

  it('differs by operation, ordinal, generation and key', () => {
    const other = operationKey({ contract: 'd', tenant: 't', scope: 'tenant', scopeId: '', identity: 1 })
    const all = [
      {},
      { operation: 'a' },
      { ordinal: 1 },
      { generation: 1 },
      { operation: '1' },
      { key: other },
      { secret: 's' },
    ]
    expect(new Set(all.map((parts) => downstreamKey({ key, ...parts }))).size).toBe(all.length)
  })

  it('refuses what it cannot derive from', () => {
    expect(() => downstreamKey({ key: 'order-1' })).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    for (const parts of [{ ordinal: -1 }, { generation: 0.5 }, { operation: '\ud800' }]) {
      expect(() => downstreamKey({ key, ...parts })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
    }
  })
})
