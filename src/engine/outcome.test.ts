import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { OnefoldError } from '../error/index.ts'
import { seal, unseal } from './outcome.ts'
import type { Store } from './store.ts'

const blobs = new Map<string, Uint8Array>()
const store = {
  putBlob: async (hash: string, bytes: Uint8Array) => void blobs.set(hash, Uint8Array.from(bytes)),
  getBlob: async (hash: string) => blobs.get(hash),
} as unknown as Store
const sealing = (value: unknown, inlineBytes = 10, withinDeadline = <T>(work: Promise<T>): Promise<T> => work) =>
  seal('value', value, store, inlineBytes, withinDeadline)
const journal = { store, withDeadline: <T>(work: Promise<T>): Promise<T> => work }
const away = (): Promise<never> => Promise.reject(new OnefoldError('STORE_UNAVAILABLE', 'away'))
const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

it('a small result lies in the record', async () => {
  const sealed = await sealing('12345678')
  expect(sealed).toEqual({ kind: 'value', text: '"12345678"', sha256: hashOf('"12345678"'), size: 10 })
  expect(await unseal(sealed, journal)).toEqual({ found: true, value: '12345678' })
  expect(blobs.size).toBe(0)
  // Bytes are counted, not characters.
  expect(await sealing('é123456')).toHaveProperty('text')
  expect(await sealing('é1234567')).toHaveProperty('blob', true)
  expect(await seal('error', new Error('x'), store, 1000, journal.withDeadline)).toMatchObject({ kind: 'error' })
})

it('a large one beside it, found by its content', async () => {
  const sealed = await sealing('123456789')
  expect(sealed).toEqual({ kind: 'value', sha256: hashOf('"123456789"'), size: 11, blob: true })
  expect(await unseal(sealed, journal)).toEqual({ found: true, value: '123456789' })
  const bytes = blobs.get(sealed.sha256)
  blobs.set(sealed.sha256, Buffer.from('"damaged"'))
  expect(await unseal(sealed, journal)).toEqual({ found: false, why: 'the stored result is damaged' })
  blobs.delete(sealed.sha256)
  expect(await unseal(sealed, journal)).toEqual({ found: false, why: 'the stored result is gone' })
  expect(bytes).toBeDefined()
  await expect(unseal(sealed, { store, withDeadline: away })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

it('one that cannot be kept leaves its hash, or nothing', async () => {
  const lost = await sealing('123456789', 10, away)
  expect(lost).toEqual({ kind: 'value', sha256: hashOf('"123456789"'), size: 11, omitted: true })
  expect(await unseal(lost, journal)).toEqual({ found: false, why: 'the result could not be stored' })
  expect(await sealing(() => 1)).toEqual({ kind: 'value', sha256: '', size: 0, omitted: true })
})
