import type { Duration } from '../contract/index.ts'
import { KEY_SHAPES, type KeyShape, type NoKey } from '../key/index.ts'

/** Where a provider takes the key. */
export type Carrier =
  | { readonly in: 'header'; readonly name: string }
  /** A field of a JSON body, dotted when it is nested. */
  | { readonly in: 'body'; readonly field: string }
  /**
   * A GraphQL directive, or a field whose place differs from call to call (often under a signature): only the tool can
   * write it, with `ctx.downstreamKey(name)`.
   */
  | { readonly in: 'tool'; readonly what: string }
  | { readonly in: 'nowhere' }

/**
 * What a repeat under the key is answered: the first answer (`snapshot`), the resource's latest status (`latest`), or
 * the intent's state, which a repeat may drive on (`state`).
 */
export type ReplayKind = 'snapshot' | 'latest' | 'state'

/** What is particular to a provider; form, length and source of its key are `KEY_SHAPES`. */
export interface ProviderFacts {
  readonly carrier: Carrier
  /** Host names, or `*.suffix`. */
  readonly hosts: readonly string[]
  /** Where not every write takes a key: which paths do. @default every POST and PATCH */
  readonly paths?: RegExp
  /** The shortest time a key is honoured. Absent where it is not stated, or differs from API to API. */
  readonly window?: Duration
  readonly replay?: ReplayKind
  /** A stored 5xx is answered again under the key, so sending again cannot settle it. @default false */
  readonly replaysStored5xx?: boolean
  /** Answer to a repeat with other parameters. */
  readonly mismatch?: string
  /** Answer while the first is still running. */
  readonly inFlight?: string
  readonly note?: string
}

const header = (name: string): Carrier => ({ in: 'header', name })
const IDEMPOTENCY_KEY: Carrier = header('Idempotency-Key')
const NOWHERE: Carrier = { in: 'nowhere' }

/** One row a provider of `KEY_SHAPES`; the pages behind a row are its `source` there. */
export const PROVIDERS: Readonly<Record<string, ProviderFacts>> = {
  adyen: {
    carrier: IDEMPOTENCY_KEY,
    hosts: ['*.adyen.com', '*.adyenpayments.com'],
    window: '31d',
    replay: 'snapshot',
    inFlight: '422, code 704',
    note: 'the `transient-error` header tells whether a repeat can help; keys are per company account and region',
  },
  agentmail: { carrier: IDEMPOTENCY_KEY, hosts: ['api.agentmail.to'], note: 'creates take `client_id` instead' },
  'amazon-pay': {
    carrier: header('x-amz-pay-idempotency-key'),
    hosts: ['pay-api.amazon.com', 'pay-api.amazon.eu', 'pay-api.amazon.jp'],
    replay: 'snapshot',
    mismatch: 'DuplicateIdempotencyKey',
    note: 'POST only; kept without end',
  },
  aws: {
    carrier: { in: 'tool', what: '`ClientToken` (it is signed)' },
    hosts: ['*.amazonaws.com'],
    mismatch: 'IdempotentParameterMismatch',
    note: 'the SDK fills in a random one when you give none, new at every call of yours',
  },
  braintree: {
    carrier: { in: 'tool', what: 'the input field `apiRequestKey`' },
    hosts: ['payments.braintree-api.com', 'payments.sandbox.braintree-api.com'],
    window: '30d',
    replay: 'state',
    note: 'GraphQL only; the REST SDKs know only a 30 s check by amount and order',
  },
  brevo: {
    carrier: { in: 'body', field: 'headers.idempotencyKey' },
    hosts: ['api.brevo.com', 'api.sendinblue.com'],
    paths: /^\/v3\/smtp\/email\/?$/,
    window: '15m',
    mismatch: 'duplicate_parameter',
    note: 'a repeat is refused, not answered: map that error to done',
  },
  google: {
    carrier: { in: 'tool', what: '`requestId`' },
    hosts: ['*.googleapis.com'],
    window: '60m',
    replay: 'state',
  },
  linear: {
    carrier: { in: 'tool', what: 'the input field `id`' },
    hosts: ['api.linear.app'],
    note: 'a create with a known id is refused, for ever',
  },
  paypal: {
    carrier: header('PayPal-Request-Id'),
    hosts: ['api-m.paypal.com', 'api-m.sandbox.paypal.com', 'api.paypal.com', 'api.sandbox.paypal.com'],
    replay: 'latest',
    mismatch: 'DUPLICATE_REQUEST_ID, PAYPAL_REQUEST_ID_PREVIOUSLY_USED',
    note: 'kept 3 h, 6 h (orders v2), 72 h, 30 d or 45 d: see the API that you call',
  },
  resend: {
    carrier: IDEMPOTENCY_KEY,
    hosts: ['api.resend.com'],
    paths: /^\/emails(?:\/batch)?\/?$/,
    window: '24h',
    replay: 'snapshot',
    mismatch: '409 invalid_idempotent_request',
    inFlight: '409 concurrent_idempotent_requests',
  },
  shopify: {
    carrier: { in: 'tool', what: 'the directive `@idempotent(key:)`' },
    hosts: ['*.myshopify.com'],
    window: '24h',
    replay: 'state',
    mismatch: 'IDEMPOTENCY_KEY_PARAMETER_MISMATCH',
    inFlight: 'IDEMPOTENCY_CONCURRENT_REQUEST',
    note: 'mandatory from API 2026-04 for refundCreate and inventory mutations',
  },
  square: {
    carrier: { in: 'body', field: 'idempotency_key' },
    hosts: ['connect.squareup.com', 'connect.squareupsandbox.com'],
    replay: 'snapshot',
    mismatch: 'IDEMPOTENCY_KEY_REUSED',
  },
  stripe: {
    carrier: IDEMPOTENCY_KEY,
    hosts: ['api.stripe.com', 'files.stripe.com', 'connect.stripe.com'],
    window: '24h',
    replay: 'snapshot',
    replaysStored5xx: true,
    mismatch: '400 idempotency_error',
    inFlight: '409 idempotency_key_in_use',
    note: 'v1 stores what the endpoint answered once it began; v2 drives failed work on',
  },
  ucp: { carrier: IDEMPOTENCY_KEY, hosts: [], replay: 'snapshot', mismatch: '409', note: 'name the host yourself' },
  zendesk: {
    carrier: IDEMPOTENCY_KEY,
    hosts: ['*.zendesk.com'],
    paths: /^\/api\/v2\/tickets(?:\.json)?\/?$/,
    window: '2h',
    replay: 'snapshot',
    mismatch: '400 IdempotentRequestError',
  },

  anthropic: { carrier: NOWHERE, hosts: ['api.anthropic.com'] },
  github: { carrier: NOWHERE, hosts: ['api.github.com', 'uploads.github.com'] },
  hubspot: { carrier: NOWHERE, hosts: ['api.hubapi.com', 'api.hubspot.com'] },
  jira: { carrier: NOWHERE, hosts: ['*.atlassian.net', 'api.atlassian.com'] },
  mailgun: { carrier: NOWHERE, hosts: ['api.mailgun.net', 'api.eu.mailgun.net'] },
  notion: { carrier: NOWHERE, hosts: ['api.notion.com'] },
  openai: { carrier: NOWHERE, hosts: ['api.openai.com'] },
  postmark: { carrier: NOWHERE, hosts: ['api.postmarkapp.com'] },
  salesforce: { carrier: NOWHERE, hosts: ['*.salesforce.com'], note: 'the UI API (/ui-api/records) takes one' },
  sendgrid: { carrier: NOWHERE, hosts: ['api.sendgrid.com', 'api.eu.sendgrid.com'] },
  slack: { carrier: NOWHERE, hosts: ['slack.com', '*.slack.com'] },
  twilio: {
    carrier: NOWHERE,
    hosts: ['api.twilio.com'],
    note: 'Conversations v2, Voice v3 and Call Payments take keys',
  },
}

/** A provider with everything that is known of it. */
export interface Provider extends ProviderFacts {
  /** Name for `ctx.downstreamKey`. */
  readonly name: string
  /** Form, limits and source of its key, or what to use instead of one. */
  readonly key: KeyShape | NoKey
}

/** @returns undefined for a name that is not in the table, whatever its case */
export function providerNamed(name: string): Provider | undefined {
  const known = name.toLowerCase()
  const facts = Object.hasOwn(PROVIDERS, known) ? PROVIDERS[known] : undefined
  const key = Object.hasOwn(KEY_SHAPES, known) ? KEY_SHAPES[known] : undefined
  return facts === undefined || key === undefined ? undefined : { ...facts, name: known, key }
}
