import { openRemote, planOf } from '../../config/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { EXIT } from '../exit-code.ts'
import { print, printJson } from '../output.ts'
import { locate, missingLedger, type Where, type WhereOptions } from './locate.ts'

export interface MigrateLedgerOptions extends WhereOptions {
  readonly role?: string
  readonly print?: boolean
  readonly json?: boolean
}

/**
 * `onefold ledger migrate`: creates the schema of a ledger on a server, or brings an older one, there or in a file, to
 * this version.
 */
export async function ledgerMigrate(options: MigrateLedgerOptions): Promise<number> {
  const where = locate(options, { secrets: false })
  if (where.choice.kind === 'sqlite') return told(await migratedFile(where, options), where.url, options)
  if (options.print === true) {
    const plan = await planOf(where.choice)
    if (plan === undefined) throw refused(`What a ${where.choice.name} ledger is made of cannot be printed`)
    printJson(plan)
    return EXIT.ok
  }
  const remote = await openRemote(where.choice)
  try {
    if (remote.migrate === undefined) throw refused(`A ${where.choice.name} ledger has no schema to migrate`)
    return told(await remote.migrate({ role: options.role }), where.url, options)
  } finally {
    await remote.end()
  }
}

/** Whoever serves a file makes it; so here it has to be there. */
async function migratedFile(
  where: Where,
  { role, print: printing }: MigrateLedgerOptions,
): Promise<{ from: number; to: number }> {
  if (role !== undefined || printing === true)
    throw refused('A ledger in a file takes neither --role nor --print, which are for a server')
  const missing = missingLedger(where)
  if (missing !== undefined || where.choice.kind !== 'sqlite') throw refused(`${missing ?? ''}; name it with --store`)
  const { migrateSqlite } = await import('../../store/sqlite/index.ts')
  return migrateSqlite(where.choice.path)
}

function told(
  { from, to }: { readonly from: number; readonly to: number },
  store: string,
  { role, json }: MigrateLedgerOptions,
): number {
  if (json === true) printJson({ store, from, to, role })
  else {
    print(from === to ? `${store} has version ${to} already.` : `${store}: from version ${from} to ${to}.`)
    if (role !== undefined) print(`The role ${role} may serve it.`)
  }
  return EXIT.ok
}

const refused = (why: string): OnefoldError =>
  new OnefoldError('CONFIG_INVALID', `${why[0]?.toUpperCase() ?? ''}${why.slice(1)}. Nothing was changed.`)
