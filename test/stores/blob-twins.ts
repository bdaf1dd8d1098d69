import { erasesBlobs, type Store } from '../../src/engine/index.ts'

/** What is wrong with a twin of the memory store: the verbs that it does otherwise. */
export type Break = (inner: Store) => Partial<Store>

/** A broken twin, with the group of cases that has to notice. */
export type Twin = readonly [name: string, group: string, broken: Break]

export const BLOB_TWINS: readonly Twin[] = [
  [
    'keeps the caller’s blob',
    'sizes',
    (inner) => {
      const blobs = new Map<string, Uint8Array>()
      return {
        putBlob: async (_owner, name, bytes) => void blobs.set(name, bytes),
        getBlob: async (owner, name) => blobs.get(name) ?? (await inner.getBlob(owner, name)),
      }
    },
  ],
  [
    'loses empty blobs',
    'sizes',
    (inner) => ({
      getBlob: async (owner, name) => {
        const bytes = await inner.getBlob(owner, name)
        return bytes?.byteLength === 0 ? undefined : bytes
      },
    }),
  ],
  [
    'keeps blobs by their content alone',
    'blobs',
    (inner) => {
      const nobody = { key: '', tenant: '' }
      return {
        putBlob: (_owner, name, bytes) => inner.putBlob(nobody, name, bytes),
        getBlob: (_owner, name) => inner.getBlob(nobody, name),
      }
    },
  ],
  [
    'shows blobs to other tenants',
    'blobs',
    (inner) => ({
      putBlob: (owner, name, bytes) => inner.putBlob({ ...owner, tenant: '' }, name, bytes),
      getBlob: (owner, name) => inner.getBlob({ ...owner, tenant: '' }, name),
    }),
  ],
  [
    'erases blobs before it compares',
    'blobs',
    (inner) => {
      const erased = new Set<string>()
      return {
        write: async (write) => {
          if (erasesBlobs(write)) erased.add(write.tenant + write.key)
          return inner.write(write)
        },
        getBlob: async (owner, name) => (erased.has(owner.tenant + owner.key) ? undefined : inner.getBlob(owner, name)),
      }
    },
  ],
  [
    'keeps blobs beside a tombstone',
    'blobs',
    (inner) => {
      const late = new Map<string, Uint8Array>()
      return {
        putBlob: async (owner, name, bytes) => {
          const { record } = await inner.read(owner.key, owner.tenant)
          if (record?.state === 'expired') late.set(owner.key + name, bytes)
          else await inner.putBlob(owner, name, bytes)
        },
        getBlob: async (owner, name) => late.get(owner.key + name) ?? (await inner.getBlob(owner, name)),
      }
    },
  ],
]
