import { dateOf } from '../ago.ts'
import { EXIT } from '../exit-code.ts'
import { plain, print, printJson } from '../output.ts'
import type { WhereOptions } from './locate.ts'
import { withLedger } from './open.ts'
import { asksBack } from './person.ts'

export interface LiftOptions extends WhereOptions {
  readonly yes?: boolean
  readonly json?: boolean
}

/** `onefold ledger lift`: an operator's word that "absent" is evidence again after records were lost. */
export async function ledgerLift(options: LiftOptions): Promise<number> {
  const asks = asksBack(options, 'Trusting a ledger that lost records')
  return await withLedger(options, async ({ all }) => {
    const mark = await all.amnesia()
    if (asks && mark !== undefined && !(await confirmed(mark.why, mark.at))) {
      print('Nothing was changed.')
      return EXIT.findings
    }
    const lifted = await all.liftAmnesia()
    if (options.json === true) printJson({ lifted })
    else print(`The mark of ${dateOf(lifted.at)} is lifted: an operation without a record may run again.`)
    return EXIT.ok
  })
}

async function confirmed(why: string, at: number): Promise<boolean> {
  const { confirm } = await import('@clack/prompts')
  print(`${dateOf(at)}: ${plain(why)}.`)
  print('What was done and then lost, and is asked for again after this, will happen a second time.')
  return (await confirm({ message: 'Is every such operation accounted for?', initialValue: false })) === true
}
