/**
 * Webhooks: signatures verified over raw bytes, each event handled once, redeliveries answered 200.
 *
 * @example
 * const inbox = webhookInbox(guard, { from: stripe({ secret }), handle: (event) => fulfil(event), recovery: composite() })
 * @module
 */
export {
  toFastify,
  toNode,
  type FastifyReplyLike,
  type FastifyRequestLike,
  type NodeRequestLike,
  type NodeResponseLike,
} from './forms.ts'
export { webhookInbox, type Inbox, type InboxOptions, type WebhookEvent } from './inbox.ts'
export type { Delivery, RawDelivery, Scheme, SchemeOptions, TimedSchemeOptions, Verified } from './scheme.ts'
export { github, shopify, slack, standardWebhooks, stripe } from './schemes.ts'
