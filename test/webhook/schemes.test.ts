import { createHmac } from 'node:crypto'
import Stripe from 'stripe'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import {
  github,
  shopify,
  slack,
  standardWebhooks,
  stripe,
  type Scheme,
  type Verified,
} from '../../src/webhook/index.ts'

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function verify(scheme: Scheme, body: string, headers: Record<string, string>, nowMs = NOW): Promise<Verified> {
  return await scheme.verify({ raw: bytes(body), headers: new Headers(headers), nowMs })
}

const event = JSON.stringify({ id: 'evt_1', type: 'charge.refunded', name: 'Größe 🙂' })

describe('signatures, as the senders make them', () => {
  it('stripe: made by the stripe package', async () => {
    const header = Stripe.webhooks.generateTestHeaderString({ payload: event, secret: 'whsec_a', timestamp: SECONDS })
    const rotating = stripe({ secret: ['whsec_new', 'whsec_a'] })
    expect(await verify(rotating, event, { 'stripe-signature': header })).toMatchObject({
      ok: true,
      delivery: { id: 'evt_1', type: 'charge.refunded', body: { name: 'Größe 🙂' } },
    })
    expect(await verify(stripe({ secret: 'whsec_b' }), event, { 'stripe-signature': header })).toMatchObject({
      ok: false,
    })
    expect(await verify(rotating, `${event} `, { 'stripe-signature': header })).toMatchObject({ ok: false })
    const later = await verify(rotating, event, { 'stripe-signature': header }, NOW + 301_000)
    expect(later).toEqual({ ok: false, why: 'the signature is 301 s away from now' })
  })

  it('standard webhooks: made by the standardwebhooks package', async () => {
    const secret = `whsec_${Buffer.from('a secret of some length').toString('base64')}`
    const signature = new Webhook(secret).sign('msg_1', new Date(NOW), event)
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(SECONDS),
      'webhook-signature': `v1,AAAA ${signature}`,
    }
    const scheme = standardWebhooks({ secret })
    expect(await verify(scheme, event, headers)).toMatchObject({ ok: true, delivery: { id: 'msg_1' } })
    expect(await verify(scheme, event, { ...headers, 'webhook-id': 'msg_2' })).toMatchObject({ ok: false })
    expect(await verify(scheme, event, headers, NOW - 301_000)).toMatchObject({ ok: false })
  })

  it('github: the vector of its documentation', async () => {
    // docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    const headers = {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-github-event': 'push',
    }
    const scheme = github({ secret: "It's a Secret to Everybody" })
    expect(await verify(scheme, 'Hello, World!', headers)).toEqual({
      ok: true,
      delivery: { id: headers['x-github-delivery'], type: 'push', body: 'Hello, World!' },
    })
    expect(await verify(scheme, 'Hello, World?', headers)).toMatchObject({ ok: false })
    expect(await verify(scheme, 'Hello, World!', { ...headers, 'x-github-delivery': '' })).toMatchObject({ ok: false })
  })

  it('slack: the vector of its documentation', async () => {
    // docs.slack.dev/authentication/verifying-requests-from-slack
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
    const headers = {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    }
    const scheme = slack({ secret: '8f742231b10e8888abcd99yyyzzz85a5' })
    const taken = await verify(scheme, body, headers, 1_531_420_618_000)
    expect(taken).toMatchObject({
      ok: true,
      delivery: { id: '398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c' },
    })
    expect(await verify(scheme, body, headers)).toMatchObject({ ok: false })
  })

  it('slack: answers the check of an address', async () => {
    const body = JSON.stringify({ type: 'url_verification', challenge: 'c-1' })
    const signature = createHmac('sha256', 's').update(`v0:${SECONDS}:${body}`).digest('hex')
    const headers = { 'x-slack-request-timestamp': String(SECONDS), 'x-slack-signature': `v0=${signature}` }
    expect(await verify(slack({ secret: 's' }), body, headers)).toEqual({
      ok: 'answer',
      status: 200,
      body: '{"challenge":"c-1"}',
    })
  })

  it('shopify: base64 over the body', async () => {
    const signature = createHmac('sha256', 'shpss_1').update(event).digest('base64')
    const headers = {
      'x-shopify-hmac-sha256': signature,
      'x-shopify-event-id': 'e-1',
      'x-shopify-topic': 'orders/paid',
    }
    expect(await verify(shopify({ secret: 'shpss_1' }), event, headers)).toMatchObject({
      ok: true,
      delivery: { id: 'orders/paid:e-1', type: 'orders/paid' },
    })
    expect(await verify(shopify({ secret: 'shpss_2' }), event, headers)).toMatchObject({ ok: false })
  })

  it('shopify: one action under two topics is two events', async () => {
    const signature = createHmac('sha256', 'shpss_1').update(event).digest('base64')
    const ids = ['orders/create', 'orders/paid', 'orders/paid'].map(async (topic) => {
      const headers = { 'x-shopify-hmac-sha256': signature, 'x-shopify-event-id': 'e-1', 'x-shopify-topic': topic }
      const verified = await verify(shopify({ secret: 'shpss_1' }), event, headers)
      return verified.ok === true ? verified.delivery.id : undefined
    })
    expect(await Promise.all(ids)).toEqual(['orders/create:e-1', 'orders/paid:e-1', 'orders/paid:e-1'])
  })

  it.each([
    stripe({ secret: 's' }),
    github({ secret: 's' }),
    shopify({ secret: 's' }),
    slack({ secret: 's' }),
    standardWebhooks({ secret: 'c2VjcmV0' }),
  ])('$name: unsigned, cut and garbled signatures are refused', async (scheme) => {
    expect(await verify(scheme, event, {})).toMatchObject({ ok: false })
    for (const text of ['', 't=1,v1=', `t=${SECONDS},v1=zz`, 'sha256=', 'v0=00', 'v1,', '%']) {
      const names = [
        'stripe-signature',
        'x-hub-signature-256',
        'x-shopify-hmac-sha256',
        'x-slack-signature',
        'webhook-signature',
      ]
      const headers = {
        ...Object.fromEntries(names.map((name) => [name, text])),
        'webhook-id': 'x',
        'webhook-timestamp': String(SECONDS),
      }
      expect(await verify(scheme, event, headers)).toMatchObject({ ok: false })
    }
  })

  it('refuses to be without a secret', () => {
    expect(() => stripe({ secret: '' })).toThrow(/signing secret/)
    expect(() => github({ secret: [] })).toThrow(/signing secret/)
    for (const secret of ['whsec_', 'whsec_!!', ' ']) {
      expect(() => standardWebhooks({ secret })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('base64 behind whsec_') }),
      )
    }
  })
})
