import { existsSync } from 'node:fs'
import { errorOf, unsafe } from './failure.ts'

/**
 * The program of the ledger's thread, beside the module at `from`. A bundler copies the modules and not the program; what
 * lies beside the bundle is the app's, so the name is one that no app's own worker has.
 * @throws OnefoldError STORE_UNSAFE where it is not there
 */
export function workerProgram(from: string | undefined): URL {
  if (from?.startsWith('file:') === true) {
    const program = new URL(`./onefold-sqlite.worker.${from.endsWith('.ts') ? 'ts' : 'js'}`, from)
    if (existsSync(program)) return program
  }
  throw errorOf(
    unsafe(
      "The SQLite ledger's thread is not where its module is: onefold was bundled. Leave it out of the bundle (esbuild: --external:onefold; Next: serverExternalPackages: ['onefold']; others: as an external package) and install it beside the bundle.",
    ).failure,
  )
}
