import { digest, frameFields, type Secret } from './digest.ts'

/** What makes two order intents the same. */
export interface OrderIntentParts {
  readonly merchant: string
  readonly user: string
  /** The session (a chat, a cart) that the order is wanted in; the same order in another one is another intent. */
  readonly session: string
  /** What is ordered; the order of the lines does not matter, and lines of one SKU are added up. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[]
  /** When the intent was created, in milliseconds: anchored once, never the time of an attempt. */
  readonly createdAt: number
  /** 2 for the second wanted order of the same things in the same session. @default 1 */
  readonly occurrence?: number
}

/**
 * The key of an order intent: `oi1_` and SHA-256 (HMAC with a secret) over merchant, user, session, SKUs, quantities and
 * the time of its creation, each length-prefixed; 47 characters.
 */
export function orderIntentKey(parts: OrderIntentParts, secret?: Secret): string {
  const quantities = new Map<string, number>()
  for (const { sku, quantity } of parts.lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity)
  const lines = [...quantities].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([sku, count]) => [sku, String(count)])
  const fields = [
    'order-intent',
    parts.merchant,
    parts.user,
    parts.session,
    String(parts.createdAt),
    String(parts.occurrence ?? 1),
    ...lines,
  ]
  return `oi1_${digest(frameFields(fields), secret)}`
}
