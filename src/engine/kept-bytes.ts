import type { ProbeContext } from '../contract/index.ts'
import { UnsentError } from './classify.ts'
import type { BlobOwner, Store } from './store.ts'

/** What of an input is too large for the record. */
export interface KeptBytes {
  readonly sha256: string
  readonly bytes: Uint8Array
}

/** Whose the bytes are that a contract's functions look for. Their calls must belong to a run, which tells the tenant. */
export const ownerOf = ({ key, run }: Pick<ProbeContext, 'key' | 'run'>): BlobOwner => ({
  key,
  tenant: run?.tenant ?? '',
})

/**
 * To be called between marker and first byte. Bytes are kept before the claim, and retention may have erased an earlier
 * operation of the same key in between, and them with it; from the marker on nothing erases them any more.
 * @throws UnsentError
 */
export async function stillKept(
  blobs: Pick<Store, 'getBlob' | 'putBlob'>,
  owner: BlobOwner,
  { sha256, bytes }: KeptBytes,
): Promise<void> {
  try {
    if ((await blobs.getBlob(owner, sha256)) === undefined) await blobs.putBlob(owner, sha256, bytes)
  } catch (error) {
    throw new UnsentError('the body of the request could not be kept', { cause: error })
  }
}
