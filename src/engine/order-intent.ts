import {
  anySchema,
  defineContract,
  idempotent,
  knownOptions,
  type AnyToolOptions,
  type Contract,
  type Duration,
  type NamesOf,
} from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { orderIntentKey, type OrderIntentParts } from '../key/index.ts'
import type { Guard } from './guard-types.ts'
import type { OperationRecord } from './record.ts'

/** What an agent is about to order, on whose behalf, in which session. */
export type OrderIntent = Omit<OrderIntentParts, 'createdAt'>

export interface OrderIntentOptions {
  /** How long a late retry finds its intent again. @default '72h' */
  readonly retention?: Duration
}

const NAMES: NamesOf<OrderIntentOptions> = { retention: true }

export interface AnchoredIntent {
  /** Send it as the order's idempotency key, to every service on the way. */
  readonly key: string
  /** Store time at which the intent was first seen, in milliseconds. */
  readonly createdAt: number
}

/**
 * Anchors an order intent in the ledger when it is created, and gives its key. Asked again, by a retry, another process
 * or another machine, it is the same key, because the time in it is the recorded one.
 * @throws OnefoldError INPUT_INVALID, RESULT_EXPIRED after retention, STORE_UNAVAILABLE
 */
export async function orderIntent(
  guard: Guard,
  intent: OrderIntent,
  options: OrderIntentOptions = {},
): Promise<AnchoredIntent> {
  knownOptions('orderIntent', options, NAMES)
  checkIntent(intent)
  const { occurrence = 1, ...parts } = intent
  const contract = guard.internals.register(contractOf(options.retention ?? '72h'))
  // Lines in another order are the same intent: what is recorded is the key without its time.
  const identity = orderIntentKey({ ...parts, createdAt: 0 })
  const { record } = await guard.internals.perform(contract, { intent: identity }, { occurrence })
  const { createdAt } = record as OperationRecord
  return { key: orderIntentKey({ ...parts, createdAt, occurrence }), createdAt }
}

const contractOf = (retention: Duration): Contract =>
  defineContract({
    name: 'order_intent',
    input: anySchema,
    effect: 'write',
    identity: 'all',
    retention,
    // The record itself is all that it does.
    recovery: idempotent({ precondition: () => true }),
    execute: () => null,
  } as unknown as AnyToolOptions)

function checkIntent({ merchant, user, session, lines }: OrderIntent): void {
  for (const [name, value] of Object.entries({ merchant, user, session })) {
    if (typeof value !== 'string' || value === '') throw invalid(`${name} is missing`)
  }
  if (lines.length === 0) throw invalid('it has no lines')
  for (const { sku, quantity } of lines) {
    if (typeof sku !== 'string' || sku === '') throw invalid('a line has no SKU')
    if (!Number.isSafeInteger(quantity) || quantity < 1)
      throw invalid(`the quantity of ${sku} is no whole number above 0`)
  }
}

const invalid = (problem: string): OnefoldError =>
  new OnefoldError('INPUT_INVALID', `This is no order intent: ${problem}. Nothing was recorded.`)
