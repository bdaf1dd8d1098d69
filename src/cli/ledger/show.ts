import { EXIT } from '../exit-code.ts'
import { print, printJson } from '../output.ts'
import { nextCommands } from './next.ts'
import { withLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'
import { forensicsOf } from './shown.ts'
import { timeline } from './timeline.ts'

export interface ShowOptions extends WhereOptions {
  readonly showInput?: boolean
  readonly json?: boolean
}

/** `onefold ledger show KEY` */
export async function ledgerShow(keyOrTicket: string, options: ShowOptions): Promise<number> {
  return await withLedger(options, async ({ all, view, whole }) => {
    const found = await all.show(keyOrTicket, options.tenant)
    const showInput = options.showInput === true
    if (options.json === true) {
      const shown = showInput ? { ...found, record: await whole(found.record) } : found
      printJson({ ...forensicsOf(shown, showInput), now: view.now, next: nextCommands(found.record, view) })
    } else {
      print(timeline(found, { ...view, showInput }))
    }
    return EXIT.ok
  })
}
