import type { ToolContext } from '../../src/contract/index.ts'
import { keyed, transactional } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { putIntoOutbox, relayOutbox, type PostgresClient, type Relay } from '../../src/store/postgres/index.ts'
import * as z from 'zod'

/** A shop whose orders lie in the same database as the ledger. */
export const SHOP_TABLES = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.orders (n int GENERATED ALWAYS AS IDENTITY, ref text NOT NULL);
  CREATE TABLE shop.stock (ref text PRIMARY KEY, pieces int NOT NULL CHECK (pieces >= 0));
  CREATE TABLE shop.lines (ref text NOT NULL REFERENCES shop.stock (ref) DEFERRABLE INITIALLY DEFERRED);
`

export const shopRights = (role: string): string => `
  GRANT USAGE ON SCHEMA shop TO ${role};
  GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO ${role};
`

// #region statement
/** One statement in the engine's transaction: `query` of a pool's client of pg, `unsafe` of a transaction of postgres. */
export async function inTransaction(context: ToolContext, text: string, values: readonly string[]): Promise<void> {
  const open = context.transaction as {
    unsafe?: (text: string, values: readonly string[]) => Promise<unknown>
    query: (text: string, values: readonly string[]) => Promise<unknown>
  }
  await (typeof open.unsafe === 'function' ? open.unsafe(text, values) : open.query(text, values))
}
// #endregion statement

export const INSERT_ORDER = 'INSERT INTO shop.orders (ref) VALUES ($1)'

/** Places an order and announces it, in one transaction. @param between called when both have been written, not committed */
export function orderTool(
  guard: Guard,
  options: { readonly schema: string; readonly between?: (context: ToolContext) => Promise<void> | void },
) {
  // #region order
  return guard.tool({
    name: 'place_order',
    input: z.object({ ref: z.string() }),
    effect: 'write',
    identity: ['ref'],
    recovery: transactional(),
    timeout: '5s',
    async execute({ ref }, context) {
      await inTransaction(context, INSERT_ORDER, [ref])
      await putIntoOutbox(context, { topic: 'orders', key: ref, payload: { placed: ref }, schema: options.schema })
      await options.between?.(context)
      return { ref }
    },
  })
  // #endregion order
}

/** Publishes to a downstream program that honours keys. */
export function shopRelay(guard: Guard, client: PostgresClient, schema: string, url: string): Relay {
  // #region relay
  return relayOutbox(guard, {
    client,
    schema,
    recovery: keyed('10m'),
    everyMs: 20,
    async publish({ key, payload }, context) {
      const answer = await context.fetch(`${url}/effects/${encodeURIComponent(`event ${key}`)}`, {
        method: 'POST',
        body: JSON.stringify(payload),
      })
      if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
      return await answer.json()
    },
  })
  // #endregion relay
}
