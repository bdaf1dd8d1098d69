import { fingerprintText } from '../key/index.ts'
import { decode, encode } from './codec.ts'
import type { StoredOutcome } from './record.ts'
import type { Journal } from './journal.ts'
import type { BlobOwner } from './store.ts'
import { unknownForm } from './unreadable.ts'

/**
 * The stored form of a result, made before commit: inline, else a blob that is durable before the commit,
 * else its hash alone. Never throws: the truth that the effect happened does not depend on its payload.
 */
export function seal(
  kind: StoredOutcome['kind'],
  value: unknown,
  owner: BlobOwner,
  { store, withDeadline }: Pick<Journal, 'store' | 'withDeadline'>,
  inlineBytes: number,
): StoredOutcome | Promise<StoredOutcome> {
  let text: string
  try {
    text = encode(value)
  } catch {
    return { kind, sha256: '', size: 0, omitted: true }
  }
  const size = Buffer.byteLength(text)
  const hash = fingerprintText(text)
  if (size <= inlineBytes) return { kind, text, sha256: hash, size }
  return withDeadline(store.putBlob(owner, hash, Buffer.from(text))).then(
    (): StoredOutcome => ({ kind, sha256: hash, size, blob: true }),
    (): StoredOutcome => ({ kind, sha256: hash, size, omitted: true }),
  )
}

/** What {@link unseal} gives back. */
export type Unsealed =
  | { readonly found: true; readonly value: unknown }
  /** It was done; its result was too large or not storable, or its blob is gone or damaged. */
  | { readonly found: false; readonly why: string }

/**
 * The original value; never a guess.
 * @throws OnefoldError STORE_UNAVAILABLE when its blob cannot be fetched now, STORE_UNSAFE for a form of a newer version
 */
export function unseal(
  outcome: StoredOutcome,
  owner: BlobOwner,
  { store, withDeadline }: Pick<Journal, 'store' | 'withDeadline'>,
): Unsealed | Promise<Unsealed> {
  if (outcome.text !== undefined) return { found: true, value: decoded(outcome.text, owner) }
  if (outcome.blob !== true) return { found: false, why: 'the result could not be stored' }
  return withDeadline(store.getBlob(owner, outcome.sha256)).then((bytes): Unsealed => {
    if (bytes === undefined) return { found: false, why: 'the stored result is gone' }
    const text = Buffer.from(bytes).toString()
    if (fingerprintText(text) !== outcome.sha256) return { found: false, why: 'the stored result is damaged' }
    return { found: true, value: decoded(text, owner) }
  })
}

function decoded(text: string, { key }: BlobOwner): unknown {
  try {
    return decode(text)
  } catch (error) {
    throw unknownForm(key, error)
  }
}
