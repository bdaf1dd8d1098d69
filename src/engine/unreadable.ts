import { isOnefoldError, OnefoldError } from '../error/index.ts'
import { ticketOf } from './operation.ts'

/**
 * For a record in a state that this version does not know: it fails closed. What became of its operation only the version
 * knows that wrote it, so nobody is told that there is no effect.
 */
export const unknownState = (key: string, state: string): OnefoldError =>
  new OnefoldError(
    'STORE_UNSAFE',
    `The ledger has the operation ${ticketOf(key)} in the state ${state}, which this version of onefold does not know: a newer one wrote it. Nothing was done, and what became of it is not known here: update onefold.`,
    { effect: 'unknown', key, ticket: ticketOf(key), details: { state } },
  )

/** For a result that this version cannot give back: whoever needs its value stops, and nobody is given another one. */
export const unknownForm = (key: string, cause: unknown): OnefoldError =>
  new OnefoldError(
    'STORE_UNSAFE',
    `The ledger has the result of the operation ${ticketOf(key)} in a form that this version of onefold does not know: a newer one wrote it. Nothing was done: update onefold.`,
    { effect: 'unknown', key, ticket: ticketOf(key), cause },
  )

/** True for what only a newer version can read. */
export const isUnreadable = (error: unknown): error is OnefoldError =>
  isOnefoldError(error) && error.code === 'STORE_UNSAFE' && error.effect === 'unknown'

/** What `read` gives; undefined where the record is one of a newer version, which `unreadable` is then told. */
export function readable<T>(read: () => T, unreadable: OnefoldError[]): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!isUnreadable(error)) throw error
    unreadable.push(error)
    return undefined
  }
}

/** {@link readable}, for a backend that reads a record in steps. */
export async function readableLater<T>(read: Promise<T>, unreadable: OnefoldError[]): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    return readable((): T => {
      throw error
    }, unreadable)
  }
}

/** The member of a page that names what is not in it. */
export const leftOut = (unreadable: readonly OnefoldError[]): { readonly unreadable?: readonly OnefoldError[] } =>
  unreadable.length === 0 ? {} : { unreadable }

/** Passes a page in which nothing is left out, for whoever would tell an untruth without it. @throws OnefoldError STORE_UNSAFE */
export function assertWhole({ unreadable }: { readonly unreadable?: readonly OnefoldError[] }): void {
  if (unreadable?.[0] !== undefined) throw unreadable[0]
}
