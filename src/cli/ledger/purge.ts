import { EXIT, isCancelled } from '../exit-code.ts'
import { print, printJson } from '../output.ts'
import { progressOf, withCancel } from '../progress.ts'
import type { WhereOptions } from './locate.ts'
import { withLedger } from './open.ts'
import { asksBack } from './person.ts'

export interface PurgeCommandOptions extends WhereOptions {
  readonly allTenants?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

/** `onefold ledger purge`: retention for everything that is past it, now. */
export async function ledgerPurge(options: PurgeCommandOptions): Promise<number> {
  const dryRun = options.dryRun === true
  const asks = !dryRun && asksBack(options, 'Erasing results')
  return await withLedger(options, async ({ own, all, where }) => {
    const ledger = options.allTenants === true ? all : own
    if (asks) {
      const { expired, deleted } = await ledger.purge({ dryRun: true })
      print(`In ${where.url}: ${expired} results to erase, ${deleted} operations of which nothing happened to forget.`)
      const { confirm } = await import('@clack/prompts')
      if ((await confirm({ message: 'Erase them for good?', initialValue: false })) !== true) {
        print('Nothing was changed.')
        return EXIT.findings
      }
    }
    const progress = progressOf('looked at')
    const seen = { looked: 0 }
    try {
      const purged = await withCancel((signal) =>
        ledger.purge({
          dryRun,
          signal,
          progress: (looked) => {
            seen.looked = looked
            progress.at(looked)
          },
        }),
      )
      progress.done()
      if (options.json === true) printJson({ ledger: where.url, dryRun, ...purged })
      else
        print(
          `${dryRun ? 'Would erase' : 'Erased'} ${purged.expired} results (their keys stay known) and ${dryRun ? 'forget' : 'forgot'} ${purged.deleted} operations of which nothing happened; ${purged.kept} closed ones are kept until their retention is over.`,
        )
      return EXIT.ok
    } catch (error) {
      progress.done()
      if (!isCancelled(error)) throw error
      const message = `Cancelled after about ${seen.looked} operations. Every one was either erased as a whole or is as it was; run it again to go on.`
      if (options.json === true) printJson({ ledger: where.url, dryRun, cancelled: true, looked: seen.looked })
      else print(message)
      return EXIT.interrupted
    }
  })
}
