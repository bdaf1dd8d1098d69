import { keyed, probe } from '../../src/contract/index.ts'
import type { Guard, ProtectedTool, SagaEnd } from '../../src/engine/index.ts'
import { findOrder, orderTool, place, StatusError, type OrderInput, type Placed } from '../support/order-tool.ts'
import type { Downstream } from '../support/downstream.ts'

export type Url = Pick<Downstream, 'url'>
export interface Checkout {
  readonly order: string
}

/** The effects of one checkout at the service: done as a whole, or undone as a whole. */
export const PARTS = ['reserve', 'charge', 'ship', 'release', 'refund'] as const

/** A tool that does one part of a checkout; a 422 is a refusal for good. */
function part(
  guard: Guard,
  downstream: Url,
  name: string,
  recovery: 'keyed' | 'probe',
): ProtectedTool<OrderInput, Placed> {
  return orderTool(guard, downstream as Downstream, {
    name,
    sends: 'checked',
    errors: [{ match: (error) => error instanceof StatusError && error.status === 422, effect: 'none' }],
    recovery:
      recovery === 'keyed'
        ? keyed('24h')
        : probe((input: OrderInput) => findOrder(downstream as Downstream, input), { settle: '1ms' }),
  })
}

/** Reserve, charge, ship; undone by refund and release. */
export function checkoutSaga(
  guard: Guard,
  downstream: Url,
  recovery: 'keyed' | 'probe',
): ProtectedTool<Checkout, SagaEnd> {
  const tool = (name: string): ProtectedTool<OrderInput, Placed> => part(guard, downstream, name, recovery)
  const refOf =
    (name: string) =>
    ({ order }: Checkout): OrderInput => ({ ref: `${name}-${order}` })
  return guard.saga<Checkout>('checkout', [
    { tool: tool('reserve'), input: refOf('reserve'), undo: { tool: tool('release'), input: refOf('release') } },
    {
      tool: tool('charge'),
      input: refOf('charge'),
      undo: { tool: tool('refund'), input: refOf('refund') },
    },
    { tool: tool('ship'), input: refOf('ship') },
  ])
}

/** The same without a ledger, as it is mostly written: an error undoes what came before. */
export async function nakedCheckout(downstream: Url, order: string): Promise<void> {
  const act = (name: string): Promise<unknown> => place(downstream as Downstream, { ref: `${name}-${order}` })
  await act('reserve')
  try {
    await act('charge')
    try {
      await act('ship')
    } catch (error) {
      await act('refund')
      throw error
    }
  } catch {
    await act('release')
  }
}
