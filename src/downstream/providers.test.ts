import { describe, expect, it } from 'vitest'
import { parseDuration } from '../contract/index.ts'
import { KEY_SHAPES } from '../key/index.ts'
import { providersByHost } from './provider-of-host.ts'
import { PROVIDERS, providerNamed } from './providers.ts'

describe('the table of providers', () => {
  it('has a row for each key shape and no other', () => {
    expect(Object.keys(PROVIDERS).toSorted()).toEqual(Object.keys(KEY_SHAPES).toSorted())
  })

  it.each(Object.keys(PROVIDERS))('%s: carrier and key shape agree, hosts are its own', (name) => {
    const provider = providerNamed(name)
    expect(provider?.carrier.in === 'nowhere').toBe(provider?.key.form === 'none')
    expect(provider?.key.source).toMatch(/^https:\/\//)
    if (provider?.window !== undefined) expect(parseDuration(provider.window, 'window')).toBeGreaterThan(0)
    for (const host of provider?.hosts ?? []) {
      expect(host).toMatch(/^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+$/)
      const others = Object.entries(PROVIDERS).filter(([other, { hosts }]) => other !== name && hosts.includes(host))
      expect(others).toEqual([])
    }
  })

  it('knows Stripe as the one that answers a stored failure again', () => {
    const replaying = Object.entries(PROVIDERS).filter(([, { replaysStored5xx }]) => replaysStored5xx === true)
    expect(replaying.map(([name]) => name)).toEqual(['stripe'])
  })

  it('finds a name whatever its case, and nothing for an inherited one', () => {
    expect(providerNamed('Stripe')?.name).toBe('stripe')
    expect(providerNamed('constructor')).toBeUndefined()
  })
})

describe('the provider of a host', () => {
  const of = (url: string, own = {}) => providersByHost(own)(new URL(url))

  it.each([
    ['https://api.stripe.com/v1/refunds', 'stripe'],
    ['https://shop.myshopify.com/admin/api/graphql.json', 'shopify'],
    ['https://checkout-test.adyen.com/v71/payments', 'adyen'],
    ['https://hooks.slack.com/services/x', 'slack'],
    ['https://api.stripe.com.evil.example/', undefined],
    ['https://evilslack.com/', undefined],
    ['http://127.0.0.1:3000/', undefined],
  ])('%s → %s', (url, name) => {
    expect(of(url).name).toBe(name)
  })

  it('is yours first: by host, by host and port, by suffix, by header, or none', () => {
    const own = {
      '127.0.0.1:4242': 'stripe',
      '*.pay.internal': { header: 'X-Request-Id' },
      'api.stripe.com': false,
    } as const
    expect(of('http://127.0.0.1:4242/', own).name).toBe('stripe')
    expect(of('http://127.0.0.1:4243/', own).name).toBeUndefined()
    expect(of('https://eu.pay.internal/', own).carrier).toEqual({ in: 'header', name: 'X-Request-Id' })
    expect(of('https://api.stripe.com/', own).carrier.in).toBe('nowhere')
  })

  it.each([{ heder: 'X-Request-Id' }, { header: '' }, { header: 'X Request' }, {}, undefined, null, true])(
    'refuses %j, under which the host would see no key',
    (given) => {
      expect(() => of('http://x/', { 'x.example': given as never })).toThrow("Give { header: 'Name-Of-Header' }")
    },
  )

  it('refuses a name that is not in the table', () => {
    expect(() => of('http://x/', { 'x.example': 'strype' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })
})
