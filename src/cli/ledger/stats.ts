import { OPEN_STATES, STATES } from '../../engine/index.ts'
import { EXIT } from '../exit-code.ts'
import { colors, plain, print, printJson, table } from '../output.ts'
import { withLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'

export interface StatsOptions extends WhereOptions {
  readonly allTenants?: boolean
  readonly json?: boolean
}

/** `onefold ledger stats` */
export async function ledgerStats(options: StatsOptions): Promise<number> {
  return await withLedger(options, async ({ own, all, where }) => {
    const everywhere = options.allTenants === true
    const { states, sizeBytes } = await (everywhere ? all : own).stats()
    const total = Object.values(states).reduce((sum, count) => sum + count, 0)
    const open = OPEN_STATES.reduce((sum, state) => sum + (states[state] ?? 0), 0)
    if (options.json === true) {
      printJson({
        ledger: where.url,
        tenant: everywhere ? null : where.tenant,
        total,
        open,
        states,
        sizeBytes: sizeBytes ?? null,
      })
      return EXIT.ok
    }
    // Also those that a newer version wrote: what is counted has to add up.
    const names = [...STATES, ...Object.keys(states).filter((name) => !STATES.some((state) => state === name))]
    const counts = names.filter((name) => (states[name] ?? 0) > 0).map((name) => [plain(name), String(states[name])])
    print(colors.dim(plain(`${where.url} · ${everywhere ? 'all tenants' : `tenant ${where.tenant}`}`)))
    print(table([...counts, ['total', String(total)], ['still open', String(open)]], [1]))
    if (sizeBytes !== undefined) print(colors.dim(`${sizeOf(sizeBytes)} on disk`))
    return EXIT.ok
  })
}

const sizeOf = (bytes: number): string =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`
