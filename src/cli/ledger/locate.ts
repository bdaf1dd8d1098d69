import { existsSync, globSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OnefoldError } from '../../error/index.ts'
import type { Store } from '../../engine/index.ts'
import { sqliteStore } from '../../store/sqlite/index.ts'

/** The flags that say which ledger. */
export interface WhereOptions {
  readonly config?: string
  readonly store?: string
  readonly tenant?: string
}

/** A ledger that was found, not opened. */
export interface Where {
  readonly store: Store
  /** As `--store` takes it. */
  readonly url: string
  /** Its file, where it is one. */
  readonly path: string | undefined
  readonly tenant: string
  /** The configuration file that was read. */
  readonly config: string | undefined
  /** The flags that were given, to be repeated by commands that are proposed: empty or with a leading space. */
  readonly flags: string
}

export async function locate(options: WhereOptions, _how: { readonly mayBeMissing?: boolean } = {}): Promise<Where> {
  const path = resolve((options.store ?? '').replace('sqlite:', ''))
  return { store: sqliteStore(path), url: `sqlite:${path}`, path, tenant: options.tenant ?? 'default', config: undefined, flags: ` --store sqlite:${path}` }
}

/** Says that the ledger is not there; undefined when it is. */
export function missingLedger({ path }: Where): string | undefined {
  return path === undefined || existsSync(path) ? undefined : `there is no ledger at ${path}`
}
void globSync
void dirname
void join
void OnefoldError
