import type { Order } from './orders.ts'

/** How the gateway in front of the agent treats a request. */
export interface GatewayOptions {
  readonly url: string
  readonly timeoutMs: number
  readonly retries: number
}

/**
 * A gateway as they are configured: it waits so long, then sends the same request once more, up to `retries` times. The
 * request's id is minted at the entry and stays; the work that it gave up on goes on behind its back.
 */
export async function throughGateway(order: Order, options: GatewayOptions): Promise<boolean> {
  for (let attempt = 1; attempt <= 1 + options.retries; attempt += 1) {
    try {
      const answer = await fetch(options.url, {
        method: 'POST',
        headers: { 'x-request-id': `order-${order.id}`, 'x-attempt': String(attempt) },
        body: JSON.stringify(order),
        signal: AbortSignal.timeout(options.timeoutMs),
      })
      await answer.arrayBuffer()
      if (answer.ok) return true
    } catch {
      // Timed out or reset: that is what retries are configured for.
    }
  }
  return false
}
