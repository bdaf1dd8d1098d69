import type { Store } from './store.ts'

interface Use {
  readonly users: Set<object>
  /** The end of a close that is under way. */
  closing: Promise<void> | undefined
}

/** Who has each store open: guards of several tenants may share one, and none may close it under the others. */
const uses = new WeakMap<Store, Use>()

function useOf(store: Store): Use {
  const known = uses.get(store) ?? { users: new Set(), closing: undefined }
  uses.set(store, known)
  return known
}

/** Opens a store for `user`. @throws what the store throws; it is then not in use by `user` */
export async function openFor(user: object, store: Store): Promise<void> {
  const use = useOf(store)
  use.users.add(user)
  try {
    // What is left of the close would shut what was opened meanwhile.
    while (use.closing !== undefined) await use.closing.catch(() => undefined)
    await store.open()
  } catch (error) {
    use.users.delete(user)
    throw error
  }
}

/** Closes a store unless somebody else still has it open. */
export async function closeFor(user: object, store: Store): Promise<void> {
  const use = useOf(store)
  use.users.delete(user)
  if (use.users.size > 0) return
  const closing = store.close().finally(() => {
    if (use.closing === closing) use.closing = undefined
  })
  use.closing = closing
  await closing
}
