import { describe, expect, it } from 'vitest'
import { carryKey } from './carry.ts'
import { providersByHost } from './provider-of-host.ts'

const takerOf = providersByHost()

function carry(url: string, body?: unknown, headers: Record<string, string> = {}, method = 'POST') {
  const write = { method, url: new URL(url), headers: new Headers(headers), body }
  const carried = carryKey(takerOf(write.url), write, {
    make: (provider) => `key-for-${provider ?? 'anyone'}`,
    isIn: (text) => text.includes('given-key'),
  })
  return { ...carried, headers: Object.fromEntries(write.headers) }
}

describe('carrying the key in the provider’s own form [SH-5]', () => {
  it('as the header that the provider reads', () => {
    expect(carry('https://api.stripe.com/v1/refunds').headers).toEqual({ 'idempotency-key': 'key-for-stripe' })
    expect(carry('https://api-m.paypal.com/v2/checkout/orders').headers).toEqual({
      'paypal-request-id': 'key-for-paypal',
    })
    expect(carry('https://pay-api.amazon.com/v2/charges').headers).toEqual({
      'x-amz-pay-idempotency-key': 'key-for-amazon-pay',
    })
    expect(carry('http://127.0.0.1/x').headers).toEqual({ 'idempotency-key': 'key-for-anyone' })
  })

  it('as a field of the body, whose other bytes stay as they are', () => {
    const square = 'https://connect.squareup.com/v2/payments'
    expect(carry(square, '{ "amount": 1.00, "n": 12345678901234567890 }')).toMatchObject({
      by: 'body',
      body: '{"idempotency_key":"key-for-square", "amount": 1.00, "n": 12345678901234567890 }',
      headers: {},
    })
    expect(carry(square, '{}').body).toBe('{"idempotency_key":"key-for-square"}')
    expect(carry(square, '{"idempotency_key":"mine"}')).toMatchObject({ by: 'caller' })
    const brevo = 'https://api.brevo.com/v3/smtp/email'
    expect(carry(brevo, '{"to":1}').body).toBe('{"headers":{"idempotencyKey":"key-for-brevo"},"to":1}')
    expect(JSON.parse(String(carry(brevo, '{"headers":{"a":"b"}}').body))).toEqual({
      headers: { a: 'b', idempotencyKey: 'key-for-brevo' },
    })
  })

  it.each([['[1]'], ['not json'], [new FormData()], [undefined], ['{"broken":']])('not into a body like %s', (body) => {
    const carried = carry('https://connect.squareup.com/v2/payments', body)
    expect(carried).toMatchObject({ by: 'nobody', body })
  })

  it('as something only the tool can write, and says how', () => {
    const shopify = 'https://shop.myshopify.com/admin/api/graphql.json'
    const without = carry(shopify, '{"query":"mutation { refundCreate }"}')
    expect(without).toMatchObject({ by: 'nobody', headers: {} })
    expect(without).toHaveProperty('why', expect.stringContaining("ctx.downstreamKey('shopify')"))
    const query = 'mutation { refundCreate @idempotent(key: \\"given-key\\") }'
    for (const body of [`{"query":"${query}"}`, Buffer.from(query), new URLSearchParams({ query })])
      expect(carry(shopify, body).by).toBe('caller')
    expect(carry('https://compute.googleapis.com/v1/instances?requestId=given-key').by).toBe('caller')
  })

  it('and not as what an SDK made up for the same field', () => {
    const token = '{"ClientToken":"9e0b1c4e-6d6b-4a0e-8b65-2b4b9a8f5a11"}'
    expect(carry('https://ec2.eu-west-1.amazonaws.com/', token)).toMatchObject({ by: 'nobody', body: token })
    expect(carry('https://compute.googleapis.com/v1/instances?requestId=u').by).toBe('nobody')
    const selected = '{"query":"mutation { issueCreate(input: {}) { issue { id } } }"}'
    expect(carry('https://api.linear.app/graphql', selected).by).toBe('nobody')
  })

  it('nowhere, where the provider takes none', () => {
    for (const url of [
      'https://api.github.com/repos/a/b/issues',
      'https://api.zendesk.example.zendesk.com/api/v2/users',
    ]) {
      expect(carry(url)).toMatchObject({ by: 'nobody', headers: {} })
    }
    expect(carry('https://api.openai.com/v1/responses')).toHaveProperty('why', expect.stringContaining('onefold/llm'))
  })

  it('keeps a key that the tool wrote, and replaces one that an SDK made up', () => {
    const url = 'https://api.stripe.com/v1/refunds'
    expect(carry(url, undefined, { 'Idempotency-Key': 'mine' }).headers).toEqual({ 'idempotency-key': 'mine' })
    for (const made of ['stripe-node-retry-0b29', 'stainless-node-retry-0b29'])
      expect(carry(url, undefined, { 'Idempotency-Key': made }).headers).toEqual({
        'idempotency-key': 'key-for-stripe',
      })
  })
})
