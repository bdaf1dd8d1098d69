/** The workflow of `command.test.ts`, protected unless UNSAFE is set. Loaded by `onefold chaos`, in each process of a run. */
import { keyed } from '../../src/contract/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import type { ChaosOptions } from '../../src/testing/index.ts'
import type { Downstream } from '../support/downstream.ts'
import { orderTool, place, type OrderInput } from '../support/order-tool.ts'

const url = process.env['SHOP_URL'] ?? ''
const downstream = { url } as Downstream

export const chaos: ChaosOptions<(order: OrderInput) => Promise<unknown>> = {
  open: (life) =>
    process.env['UNSAFE'] === undefined
      ? orderTool(life.onefold({ store: sqliteStore(process.env['LEDGER'] ?? '') }), downstream, {
          recovery: keyed('24h'),
        })
      : (order) => place(downstream, order, life.fetch),
  workflow: async ({ app, unique, tool }) => void (await tool('place_order', app)({ ref: unique })),
  snapshot: async ({ unique }) => {
    const body = `SELECT count(*) AS n FROM effects WHERE ref = '${unique}'`
    const rows = (await (await fetch(`${url}/query`, { method: 'POST', body })).json()) as { n: number }[]
    return rows[0]?.n
  },
}
