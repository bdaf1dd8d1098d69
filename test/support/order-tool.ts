import * as z from 'zod'
import type { Guard, ProtectedTool } from '../../src/engine/index.ts'
import type { ToolContext, WriteOptions } from '../../src/contract/index.ts'
import type { Downstream } from './downstream.ts'

export const orderInput = z.object({
  ref: z.string(),
  amount: z.number().optional(),
  note: z.string().optional(),
  account: z.string().optional(),
})

export type OrderInput = z.infer<typeof orderInput>
export type Placed = { readonly id: string; readonly ref: string }

/** The error of an answer that is no success, with its status. */
export class StatusError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`the order service answered ${status}`)
    this.status = status
  }
}

/** Places an order downstream; with a context it carries the operation's key. */
export async function place(downstream: Downstream, input: OrderInput, send: typeof fetch = fetch): Promise<Placed> {
  const response = await send(`${downstream.url}/effects/${encodeURIComponent(input.ref)}`, {
    method: 'POST',
    body: JSON.stringify(input),
  })
  if (!response.ok) throw new StatusError(response.status)
  return (await response.json()) as Placed
}

type OrderOptions = Partial<WriteOptions<typeof orderInput, Placed>> &
  Pick<WriteOptions<typeof orderInput, Placed>, 'recovery'>

/** A protected tool that places an order: identity `ref`, the note may be reworded. */
export function orderTool(
  guard: Guard,
  downstream: Downstream,
  options: OrderOptions,
): ProtectedTool<OrderInput, Placed> {
  return guard.tool({
    name: 'place_order',
    input: orderInput,
    effect: 'write',
    identity: ['ref'],
    ignore: ['note'],
    execute: (input: OrderInput, context: ToolContext) => place(downstream, input, context.fetch),
    ...options,
  })
}

/** Asks the order service whether an order exists. */
export async function findOrder(
  downstream: Downstream,
  input: OrderInput,
): Promise<{ found: true; value: Placed } | { found: false }> {
  const response = await fetch(`${downstream.url}/effects/${encodeURIComponent(input.ref)}`)
  return response.ok ? { found: true, value: (await response.json()) as Placed } : { found: false }
}
