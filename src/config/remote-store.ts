import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Store } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'

/** A store on a server, opened by its URL with a client of the user's. Closing the store ends the client. */
export interface RemoteStore {
  readonly store: Store
  /** Brings the ledger's schema to this version, where the store has one. */
  readonly migrate?: (options: { readonly role?: string | undefined }) => Promise<{ from: number; to: number }>
  /** Ends the client, for a store that was never opened. */
  end(): Promise<void>
}

/** How URLs of one kind of server become a store. One entry a kind; nothing is loaded before it is chosen. */
export interface RemoteKind {
  readonly name: string
  readonly schemes: readonly string[]
  /** What is wrong with the URL; undefined when nothing is. */
  check(url: string): string | undefined
  /** What migrating would make, as JSON data, for who makes it by other means. Needs no client. */
  plan?(url: string): Promise<object>
  /**
   * @param folder where the user's packages are looked for first
   * @param asItIs refuses where there is no ledger yet; most kinds always do
   */
  open(url: string, folder: string, asItIs: boolean): Promise<RemoteStore>
}

/**
 * A package of the user's: from `folder`, else from beside this package; undefined where it is not installed.
 * None of them is a dependency of ours.
 */
export function loadClient<Module>(name: string, folder: string): Module | undefined {
  for (const from of [join(folder, 'package.json'), import.meta.url]) {
    const load = createRequire(from)
    try {
      load.resolve(name)
    } catch {
      continue
    }
    const loaded = load(name) as { readonly default?: Module }
    return loaded.default ?? (loaded as Module)
  }
  return undefined
}

/** Says which package to install. */
export const noClient = (scheme: string, name: string): OnefoldError =>
  new OnefoldError(
    'CONFIG_INVALID',
    `A ${scheme}: ledger needs the package ${name}, which is not installed here: npm install ${name}. Nothing was started.`,
  )
