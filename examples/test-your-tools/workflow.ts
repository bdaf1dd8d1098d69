import { keyed, type Guard } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import type { ChaosOptions } from 'onefold/testing'
import * as z from 'zod'

// #region tool
/** The tool as the application has it; the guard and the network come from outside, so that a test can bring its own. */
export const placeOrderTool = (guard: Guard, url: string) =>
  guard.tool({
    name: 'place_order',
    input: z.object({ cart: z.string(), note: z.string() }),
    effect: 'write',
    identity: ['cart'],
    ignore: ['note'],
    recovery: keyed('24h'),
    execute: async ({ cart }, ctx) => {
      const answer = await ctx.fetch(`${url}/orders`, { method: 'POST', body: cart })
      if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
      return (await answer.json()) as { order: number }
    },
  })
// #endregion tool

const url = (): string => process.env['SHOP_URL'] ?? ''
let samples = 0

// #region workflow
export const chaos: ChaosOptions<ReturnType<typeof placeOrderTool>> = {
  // A process begins: what must not outlive it is made here.
  open: (life) => placeOrderTool(life.onefold({ store: sqliteStore(process.env['LEDGER'] ?? 'ledger.db') }), url()),
  // What the agent does. The model words its second answer differently, as models do.
  workflow: async ({ app, unique, tool, model }) => {
    const { note } = await model(() => ({ note: `wording ${++samples}` }))
    await tool('place_order', app)({ cart: `cart-${unique}`, note })
  },
  // The end state, at the service's own books.
  snapshot: async ({ unique }) => Number(await (await fetch(`${url()}/count/cart-${unique}`)).text()),
}
// #endregion workflow
