import type { Store } from './store.ts'

/** Who has each store open: guards of several tenants may share one, and none may close it under the others. */
const users = new WeakMap<Store, Set<object>>()

/** Opens a store for `user`. @throws what the store throws; it is then not in use by `user` */
export async function openFor(user: object, store: Store): Promise<void> {
  const known = users.get(store) ?? new Set()
  users.set(store, known)
  known.add(user)
  try {
    await store.open()
  } catch (error) {
    known.delete(user)
    throw error
  }
}

/** Closes a store unless somebody else still has it open. */
export async function closeFor(user: object, store: Store): Promise<void> {
  const known = users.get(store)
  known?.delete(user)
  if (known === undefined || known.size === 0) await store.close()
}
