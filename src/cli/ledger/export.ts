import { once } from 'node:events'
import { EXIT } from '../exit-code.ts'
import { withLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'
import { forensicsOf } from './shown.ts'

export interface ExportOptions extends WhereOptions {
  readonly allTenants?: boolean
  readonly showInput?: boolean
}

/** `onefold ledger export`: one operation with its history a line. */
export async function ledgerExport(options: ExportOptions): Promise<number> {
  return await withLedger(options, async ({ own, all }) => {
    for await (const found of (options.allTenants === true ? all : own).export()) {
      const line = `${JSON.stringify(forensicsOf(found, options.showInput === true))}\n`
      if (!process.stdout.write(line)) await once(process.stdout, 'drain')
    }
    return EXIT.ok
  })
}
