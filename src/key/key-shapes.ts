/** How a downstream key is written: a UUID by RFC 9562 (36 characters), or 32 characters of `[A-Za-z0-9_-]`. */
export type KeyForm = 'uuid-v8' | 'uuid-v4' | 'base64url-32'

/** A provider that takes an idempotency key, and what it accepts. */
export interface KeyShape {
  readonly form: KeyForm
  /** Fewest characters the provider takes. @default 1 */
  readonly minLength?: number
  /** Most characters the provider takes, where it says so. */
  readonly maxLength?: number
  /** The provider's own words on it. */
  readonly source: string
}

/** A provider whose API takes no idempotency key in general. */
export interface NoKey {
  readonly form: 'none'
  /** What settles an unknown outcome there. */
  readonly instead: string
  readonly source: string
}

/**
 * What each provider takes as an idempotency key. Every form here is within the limits beside it; a SHA-256 in hex
 * (64 characters) would be refused by several. A provider that is not listed is given `uuid-v8`.
 */
export const KEY_SHAPES: Readonly<Record<string, KeyShape | NoKey>> = {
  adyen: { form: 'uuid-v8', maxLength: 64, source: 'https://docs.adyen.com/development-resources/api-idempotency/' },
  agentmail: { form: 'uuid-v8', source: 'https://docs.agentmail.to/idempotency' },
  'amazon-pay': {
    form: 'base64url-32',
    maxLength: 32,
    source: 'https://developer.amazon.com/docs/amazon-pay-api-v2/introduction.html',
  },
  aws: {
    form: 'uuid-v8',
    minLength: 33, // some services; EC2 has no lower limit
    maxLength: 64,
    source: 'https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html',
  },
  braintree: { form: 'uuid-v8', source: 'https://developer.paypal.com/braintree/graphql/' },
  brevo: {
    form: 'uuid-v4',
    minLength: 36,
    maxLength: 36,
    source: 'https://developers.brevo.com/docs/heterogenous-versions-batch-emails',
  },
  google: { form: 'uuid-v4', minLength: 36, maxLength: 36, source: 'https://google.aip.dev/155' },
  linear: { form: 'uuid-v4', minLength: 36, maxLength: 36, source: 'https://linear.app/developers/graphql' },
  paypal: { form: 'uuid-v8', maxLength: 108, source: 'https://developer.paypal.com/docs/api/orders/v2/' },
  resend: { form: 'uuid-v8', maxLength: 256, source: 'https://resend.com/docs/dashboard/emails/idempotency-keys' },
  shopify: {
    form: 'uuid-v4',
    minLength: 36,
    maxLength: 36,
    source: 'https://shopify.dev/docs/api/usage/idempotent-requests',
  },
  square: {
    form: 'uuid-v8',
    maxLength: 45, // most endpoints; some take 64, 128, 192 or 255
    source: 'https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency',
  },
  stripe: { form: 'uuid-v8', maxLength: 255, source: 'https://docs.stripe.com/api/idempotent_requests' },
  ucp: { form: 'uuid-v4', minLength: 36, maxLength: 36, source: 'https://ucp.dev/specification/checkout-rest/' },
  zendesk: {
    form: 'uuid-v8',
    maxLength: 255,
    source: 'https://developer.zendesk.com/api-reference/ticketing/introduction/',
  },

  anthropic: {
    form: 'none',
    instead: 'record the answer yourself (onefold/llm); the SDK option `idempotencyKey` is never sent',
    source: 'https://github.com/anthropics/anthropic-sdk-typescript',
  },
  github: {
    form: 'none',
    instead: 'use probe(): list by a marker that you write into the object, or external_id of a check run',
    source: 'https://github.com/github/rest-api-description',
  },
  hubspot: {
    form: 'none',
    instead: 'use probe() or an upsert by a unique property; single sends have `sendId`',
    source: 'https://developers.hubspot.com/docs/api-reference',
  },
  jira: {
    form: 'none',
    instead: 'use probe(): search by a label or an entity property that you write',
    source: 'https://developer.atlassian.com/cloud/jira/platform/rest/v3/',
  },
  mailgun: {
    form: 'none',
    instead: 'use probe() over the events with a custom variable, or manual()',
    source: 'https://documentation.mailgun.com/docs/mailgun/api-reference',
  },
  notion: {
    form: 'none',
    instead: 'use probe(): query by a property that you write',
    source: 'https://developers.notion.com/reference',
  },
  openai: {
    form: 'none',
    instead: 'record the answer yourself (onefold/llm); the SDK option `idempotencyKey` is never sent',
    source: 'https://github.com/openai/openai-node',
  },
  postmark: {
    form: 'none',
    instead: 'use probe(): search messages by a metadata field that you write, or manual()',
    source: 'https://postmarkapp.com/developer/api/messages-api',
  },
  salesforce: {
    form: 'none',
    instead: 'use idempotent() with an upsert by External ID, or probe()',
    source: 'https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm',
  },
  sendgrid: {
    form: 'none',
    instead: 'use probe() over the activity feed with a custom argument, or manual()',
    source: 'https://github.com/twilio/sendgrid-oai',
  },
  slack: {
    form: 'none',
    instead: 'use probe(): read the channel history for message `metadata` that you write',
    source: 'https://docs.slack.dev/reference/methods/chat.postMessage',
  },
  twilio: {
    form: 'none',
    instead: 'use probe(): list messages or calls by recipient and time, or manual()',
    source: 'https://www.twilio.com/docs/errors/20500',
  },
}
