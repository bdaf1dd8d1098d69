import { openRemote } from '../../config/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { EXIT } from '../exit-code.ts'
import { print, printJson } from '../output.ts'
import { locate, type WhereOptions } from './locate.ts'

export interface MigrateLedgerOptions extends WhereOptions {
  readonly role?: string
  readonly print?: boolean
  readonly json?: boolean
}

/** `onefold ledger migrate`: creates the schema of a ledger on a server, or brings an older one to this version. */
export async function ledgerMigrate(options: MigrateLedgerOptions): Promise<number> {
  const { choice, url } = locate(options, { secrets: false })
  if (choice.kind === 'sqlite') {
    throw new OnefoldError(
      'CONFIG_INVALID',
      'A ledger in a file brings itself to the version of whoever opens it. Nothing was changed; name a ledger on a server, as --store postgres://user@host/database.',
    )
  }
  const remote = await openRemote(choice)
  try {
    if (remote.migrate === undefined) {
      throw new OnefoldError('CONFIG_INVALID', `A ${choice.name} ledger has no schema to migrate. Nothing was changed.`)
    }
    if (options.print === true) {
      if (remote.plan === undefined) {
        throw new OnefoldError(
          'CONFIG_INVALID',
          `What a ${choice.name} ledger is made of can only be made, not printed. Nothing was changed.`,
        )
      }
      printJson(remote.plan())
      return EXIT.ok
    }
    const { from, to } = await remote.migrate({ role: options.role })
    if (options.json === true) printJson({ store: url, from, to, role: options.role })
    else {
      print(from === to ? `${url} has version ${to} already.` : `${url}: from version ${from} to ${to}.`)
      if (options.role !== undefined) print(`The role ${options.role} may serve it.`)
    }
    return EXIT.ok
  } finally {
    await remote.end()
  }
}
