import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { OnefoldError } from '../error/index.ts'
import { seal, unseal } from './outcome.ts'
import type { BlobOwner, Store } from './store.ts'

const blobs = new Map<string, Uint8Array>()
const owner = { key: 'of1_a', tenant: 'one' }
const placeOf = ({ key, tenant }: BlobOwner, hash: string): string => `${tenant} ${key} ${hash}`
const store = {
  putBlob: async (whose: BlobOwner, hash: string, bytes: Uint8Array) =>
    void blobs.set(placeOf(whose, hash), Uint8Array.from(bytes)),
  getBlob: async (whose: BlobOwner, hash: string) => blobs.get(placeOf(whose, hash)),
} as unknown as Store
const sealing = (value: unknown, inlineBytes = 10, withDeadline = <T>(work: Promise<T>): Promise<T> => work) =>
  seal('value', value, owner, { store, withDeadline }, inlineBytes)
const journal = { store, withDeadline: <T>(work: Promise<T>): Promise<T> => work }
const away = (): Promise<never> => Promise.reject(new OnefoldError('STORE_UNAVAILABLE', 'away'))
const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

it('a small result lies in the record', async () => {
  const sealed = await sealing('12345678')
  expect(sealed).toEqual({ kind: 'value', text: '"12345678"', sha256: hashOf('"12345678"'), size: 10 })
  expect(await unseal(sealed, owner, journal)).toEqual({ found: true, value: '12345678' })
  expect(blobs.size).toBe(0)
  // Bytes are counted, not characters.
  expect(await sealing('é123456')).toHaveProperty('text')
  expect(await sealing('é1234567')).toHaveProperty('blob', true)
  expect(await seal('error', new Error('x'), owner, journal, 1000)).toMatchObject({ kind: 'error' })
})

it('a large one beside it, found by its content', async () => {
  const sealed = await sealing('123456789')
  expect(sealed).toEqual({ kind: 'value', sha256: hashOf('"123456789"'), size: 11, blob: true })
  expect(await unseal(sealed, owner, journal)).toEqual({ found: true, value: '123456789' })
  const another = { ...owner, tenant: 'two' }
  expect(await unseal(sealed, another, journal)).toEqual({ found: false, why: 'the stored result is gone' })
  const bytes = blobs.get(placeOf(owner, sealed.sha256))
  blobs.set(placeOf(owner, sealed.sha256), Buffer.from('"damaged"'))
  expect(await unseal(sealed, owner, journal)).toEqual({ found: false, why: 'the stored result is damaged' })
  blobs.delete(placeOf(owner, sealed.sha256))
  expect(await unseal(sealed, owner, journal)).toEqual({ found: false, why: 'the stored result is gone' })
  expect(bytes).toBeDefined()
  await expect(unseal(sealed, owner, { store, withDeadline: away })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})

it('one that cannot be kept leaves its hash, or nothing', async () => {
  const lost = await sealing('123456789', 10, away)
  expect(lost).toEqual({ kind: 'value', sha256: hashOf('"123456789"'), size: 11, omitted: true })
  expect(await unseal(lost, owner, journal)).toEqual({ found: false, why: 'the result could not be stored' })
  expect(await sealing(() => 1)).toEqual({ kind: 'value', sha256: '', size: 0, omitted: true })
})

it('one in a form of a newer version is nothing else', async () => {
  const text = '{"$of":"plain-date","v":"2026-11-30"}'
  const inline = { kind: 'value', text, sha256: '', size: 1 } as const
  const sha256 = hashOf(text)
  blobs.set(placeOf(owner, sha256), Buffer.from(text))
  const beside = { kind: 'value', sha256, size: 1, blob: true } as const
  for (const stored of [inline, beside])
    await expect((async () => await unseal(stored, owner, journal))()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      effect: 'unknown',
      key: owner.key,
    })
})
