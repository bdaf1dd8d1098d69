import { dateOf } from '../ago.ts'
import { EXIT, wrongUse } from '../exit-code.ts'
import { plain, print, printJson } from '../output.ts'
import type { WhereOptions } from './locate.ts'
import { withLedger } from './open.ts'
import { asksBack } from './person.ts'

export interface LostOptions extends WhereOptions {
  readonly note?: string
  readonly yes?: boolean
  readonly json?: boolean
}

/**
 * `onefold ledger lost`: an operator's word that records are missing, where nothing that is left can notice it: a whole
 * folder, or a server, was restored while no program ran.
 */
export async function ledgerLost(options: LostOptions): Promise<number> {
  const asks = asksBack(options, 'Distrusting a ledger')
  const { note } = options
  if (note === undefined) throw wrongUse('Say what happened with --note "…". Nothing was changed.')
  return await withLedger(options, async ({ all, where }) => {
    if (asks && !(await confirmed(where.url))) {
      print('Nothing was changed.')
      return EXIT.findings
    }
    const marked = await all.markAmnesia(note)
    if (options.json === true) printJson({ marked })
    else
      print(
        `Marked at ${dateOf(marked.at)}: an operation without a record may have happened, and is a doubt until "onefold ledger lift".`,
      )
    return EXIT.ok
  })
}

async function confirmed(where: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts')
  print(`From now on a first call that has no record in ${plain(where)} is a doubt instead of an effect.`)
  return (await confirm({ message: 'Has it lost records?', initialValue: false })) === true
}
