import { once } from 'node:events'
import { EXIT } from '../exit-code.ts'
import { jsonText } from '../output.ts'
import { progressOf, withCancel } from '../progress.ts'
import { withLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'
import { forensicsOf } from './shown.ts'

export interface ExportOptions extends WhereOptions {
  readonly allTenants?: boolean
  readonly showInput?: boolean
  readonly tool?: string
  readonly run?: string
  readonly json?: boolean
}

/** `onefold ledger export`: one operation with its history a line; what was written when it is cancelled is whole lines. */
export async function ledgerExport(options: ExportOptions): Promise<number> {
  return await withLedger(options, async ({ own, all, whole }) => {
    const ledger = options.allTenants === true ? all : own
    const progress = progressOf('operations written')
    let written = 0
    const cancelled = await withCancel(async (signal) => {
      for await (const found of ledger.export({
        ...(options.tool === undefined ? {} : { tool: options.tool }),
        ...(options.run === undefined ? {} : { run: options.run }),
      })) {
        if (signal.aborted) return true
        const showInput = options.showInput === true
        const shown = showInput ? { ...found, record: await whole(found.record) } : found
        const line = `${jsonText(forensicsOf(shown, showInput))}\n`
        if (!process.stdout.write(line)) await once(process.stdout, 'drain')
        progress.at((written += 1))
      }
      return false
    })
    progress.done()
    if (!cancelled) return EXIT.ok
    process.stderr.write(`onefold: cancelled after ${written} operations; the export is not complete\n`)
    return EXIT.interrupted
  })
}
