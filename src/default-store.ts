import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { OnefoldError } from './error/index.ts'
import type { Store } from './engine/index.ts'
import { sqliteStore } from './store/sqlite/index.ts'

let said = false

/**
 * `.onefold/ledger.db` beside the nearest package.json above the working directory, said once on standard error.
 * @throws OnefoldError STORE_UNSAFE with NODE_ENV=production: where a ledger lives must then be a decision
 */
export function defaultStore(): { readonly store: Store; readonly spool: string } {
  if (process.env['NODE_ENV'] === 'production') {
    throw new OnefoldError(
      'STORE_UNSAFE',
      "With NODE_ENV=production say where the ledger is: onefold({ store: sqliteStore('/var/lib/app/effects.db') }). Nothing was opened.",
    )
  }
  const folder = join(projectFolder(process.cwd()), '.onefold')
  const path = join(folder, 'ledger.db')
  if (!said) {
    said = true
    process.stderr.write(`onefold: the ledger is ${path}\n`)
  }
  return { store: sqliteStore(path), spool: join(folder, 'spool') }
}

function projectFolder(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return from
  }
}
