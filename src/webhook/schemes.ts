import { OnefoldError } from '../error/index.ts'
import { signedBy } from './hmac.ts'
import {
  bodyOf,
  DAY_MS,
  endpointOf,
  member,
  refused,
  secretsOf,
  timedSecretsOf,
  tooOld,
  type RawDelivery,
  type Scheme,
  type SchemeOptions,
  type TimedSchemeOptions,
  type Verified,
} from './scheme.ts'

const unsigned = (header: string): Verified => refused(`there is no ${header} header`)
const wrong = refused('the signature is not that of the body under this secret')
const nameless = (where: string): Verified => refused(`it names no event: ${where} is missing`)

/**
 * Stripe: `Stripe-Signature: t=…,v1=…` over `t.body`; the event's id is in the body. Redelivered for three days
 * (docs.stripe.com/webhooks).
 */
export function stripe(options: TimedSchemeOptions): Scheme {
  const secrets = timedSecretsOf('stripe', options)
  return {
    name: 'stripe',
    endpoint: endpointOf('stripe', secrets),
    retryHorizonMs: 3 * DAY_MS,
    verify: ({ raw, headers, nowMs }) => {
      const header = headers.get('stripe-signature')
      if (header === null) return unsigned('Stripe-Signature')
      const pairs = header.split(',').map((pair) => pair.split('=', 2) as [string, string?])
      const at = pairs.find(([name]) => name.trim() === 't')?.[1] ?? ''
      const given = pairs.filter(([name]) => name.trim() === 'v1').map(([, value]) => value ?? '')
      if (!signedBy(secrets, given, 'hex', `${at}.`, raw)) return wrong
      return timely(at, nowMs, options, () => {
        const body = bodyOf(raw)
        const id = member(body, 'id')
        return id === undefined ? nameless('id') : { ok: true, delivery: { id, type: member(body, 'type'), body } }
      })
    },
  }
}

/**
 * GitHub: `X-Hub-Signature-256: sha256=…` over the body; `X-GitHub-Delivery` names the delivery, also when it is
 * redelivered, which people and programs may ask for three days long (docs.github.com/webhooks). It is not signed.
 */
export function github(options: SchemeOptions): Scheme {
  const secrets = secretsOf('github', options)
  return {
    name: 'github',
    endpoint: endpointOf('github', secrets),
    retryHorizonMs: 3 * DAY_MS,
    verify: ({ raw, headers }) => {
      const header = headers.get('x-hub-signature-256')
      if (header === null) return unsigned('X-Hub-Signature-256')
      if (!signedBy(secrets, [header.replace(/^sha256=/, '')], 'hex', raw)) return wrong
      return named(raw, headers, 'x-github-delivery', 'x-github-event')
    },
  }
}

/**
 * Shopify: `X-Shopify-Hmac-Sha256` in base64 over the body; `X-Shopify-Event-Id` names what happened in the shop,
 * with `X-Shopify-Topic` before it, since one action may be told under several topics. Redelivered for four hours, before
 * September 2024 for two days (shopify.dev/docs/apps/build/webhooks). The id is not signed.
 */
export function shopify(options: SchemeOptions): Scheme {
  const secrets = secretsOf('shopify', options)
  return {
    name: 'shopify',
    endpoint: endpointOf('shopify', secrets),
    retryHorizonMs: 2 * DAY_MS,
    verify: ({ raw, headers }) => {
      const header = headers.get('x-shopify-hmac-sha256')
      if (header === null) return unsigned('X-Shopify-Hmac-Sha256')
      if (!signedBy(secrets, [header], 'base64', raw)) return wrong
      const id = headers.has('x-shopify-event-id') ? 'x-shopify-event-id' : 'x-shopify-webhook-id'
      const verified = named(raw, headers, id, 'x-shopify-topic')
      if (verified.ok !== true) return verified
      const { delivery } = verified
      return { ok: true, delivery: { ...delivery, id: `${delivery.type ?? ''}:${delivery.id}` } }
    },
  }
}

/**
 * Slack: `X-Slack-Signature: v0=…` over `v0:timestamp:body`; `event_id` (events) or `trigger_id` (commands) names it.
 * Redelivered three times within some minutes, and by hand later (docs.slack.dev/apis/events-api). Address checks
 * (`url_verification`) are answered and not handled.
 */
export function slack(options: TimedSchemeOptions): Scheme {
  const secrets = timedSecretsOf('slack', options)
  return {
    name: 'slack',
    endpoint: endpointOf('slack', secrets),
    retryHorizonMs: DAY_MS,
    verify: ({ raw, headers, nowMs }) => {
      const header = headers.get('x-slack-signature')
      const at = headers.get('x-slack-request-timestamp') ?? ''
      if (header === null) return unsigned('X-Slack-Signature')
      if (!signedBy(secrets, [header.replace(/^v0=/, '')], 'hex', `v0:${at}:`, raw)) return wrong
      return timely(at, nowMs, options, () => {
        const text = bodyOf(raw)
        const body = typeof text === 'string' ? formOf(text) : text
        const type = member(body, 'type')
        if (type === 'url_verification')
          return { ok: 'answer', status: 200, body: JSON.stringify({ challenge: member(body, 'challenge') ?? '' }) }
        const id = member(body, 'event_id') ?? member(body, 'trigger_id')
        return id === undefined ? nameless('event_id') : { ok: true, delivery: { id, type, body } }
      })
    },
  }
}

/**
 * Standard Webhooks (standardwebhooks.com; Svix and others): `webhook-signature: v1,…` in base64 over `id.timestamp.body`,
 * where a secret is base64 after `whsec_`. The specification's schedule of redeliveries ends within three days.
 */
export function standardWebhooks(options: TimedSchemeOptions): Scheme {
  const keys = timedSecretsOf('standardWebhooks', options).map((secret) =>
    Buffer.from(secret.replace(/^whsec_/, ''), 'base64'),
  )
  // What is no base64 decodes to nothing, and anybody can sign with an empty key.
  if (keys.some((key) => key.byteLength === 0))
    throw new OnefoldError(
      'CONFIG_INVALID',
      'A Standard Webhooks secret is base64 behind whsec_. With this one, anybody could deliver. Nothing was registered.',
    )
  return {
    name: 'standard',
    endpoint: endpointOf('standard', keys),
    retryHorizonMs: 3 * DAY_MS,
    verify: ({ raw, headers, nowMs }) => {
      const [id, at, header] = ['id', 'timestamp', 'signature'].map(
        (name) => headers.get(`webhook-${name}`) ?? headers.get(`svix-${name}`),
      )
      if (header == null || at == null) return unsigned('webhook-signature')
      if (id == null || id === '') return nameless('webhook-id')
      const given = header.split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []))
      if (!signedBy(keys, given, 'base64', `${id}.${at}.`, raw)) return wrong
      return timely(at, nowMs, options, () => {
        const body = bodyOf(raw)
        return { ok: true, delivery: { id, type: member(body, 'type'), body } }
      })
    },
  }
}

function timely(at: string, nowMs: number, { toleranceMs }: TimedSchemeOptions, read: () => Verified): Verified {
  const why = tooOld(at, nowMs, toleranceMs)
  return why === undefined ? read() : refused(why)
}

function named(raw: RawDelivery['raw'], headers: Headers, idHeader: string, typeHeader: string): Verified {
  const id = headers.get(idHeader)
  if (id === null || id === '') return nameless(idHeader)
  return { ok: true, delivery: { id, type: headers.get(typeHeader) ?? undefined, body: bodyOf(raw) } }
}

/** A form's fields; Slack puts the JSON of interactions into one called `payload`. */
function formOf(text: string): unknown {
  const fields = Object.fromEntries(new URLSearchParams(text))
  return fields['payload'] === undefined ? fields : bodyOf(new TextEncoder().encode(fields['payload']))
}
