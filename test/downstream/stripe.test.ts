import Stripe from 'stripe'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import { clearAttempts } from '../../src/downstream/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { install } from '../../src/register/install.ts'
import { testGuard } from '../support/guard.ts'
import { stripeOn, thrice } from './fixtures/clients.ts'
import { startStripeService, type StripeService } from './fixtures/stripe-service.ts'

let service: StripeService
let sdk: Stripe
let guard: Guard | undefined
let uninstall: () => void = () => {}
beforeAll(async () => {
  service = await startStripeService()
  sdk = stripeOn(service.url, { maxNetworkRetries: 0 })
})
afterAll(() => service.close())
afterEach(async () => {
  uninstall()
  uninstall = () => {}
  await guard?.close()
  guard = undefined
  clearAttempts()
})

const input = z.object({ charge: z.string(), amount: z.number() })
type Input = z.infer<typeof input>
type Refunds = (input: Input, context: ToolContext) => Promise<unknown>

/** Three ways in which programs hold Stripe's SDK, from the least to the most changed. */
const WAYS: readonly (readonly [name: string, refund: Refunds])[] = [
  [
    'unchanged, with onefold/register',
    ({ charge, amount }) => sdk.refunds.create({ charge, amount, metadata: { return_id: charge } }),
  ],
  [
    'given ctx.downstreamKey',
    ({ charge, amount }, context) => {
      context.checkpoint()
      const idempotencyKey = context.downstreamKey('stripe')
      return sdk.refunds.create({ charge, amount, metadata: { return_id: charge } }, { idempotencyKey })
    },
  ],
  [
    'given ctx.fetch',
    ({ charge, amount }, context) =>
      stripeOn(service.url, {
        maxNetworkRetries: 0,
        httpClient: Stripe.createFetchHttpClient(context.fetch),
      }).refunds.create({ charge, amount, metadata: { return_id: charge } }),
  ],
]

/** A protected refund that asks Stripe for what it does not know. */
function refundTool(refund: Refunds) {
  guard = testGuard({ settings: { leaseMs: 30_000, heartbeatMs: 10_000 } })
  return guard.tool({
    name: 'refund',
    input,
    effect: 'write',
    identity: ['charge'],
    recovery: keyed('24h', {
      probe: async ({ charge }: Input) => {
        const [value] = (await sdk.refunds.list({ charge })).data
        return value === undefined ? { found: false } : { found: true, value }
      },
    }),
    sends: 'checked',
    execute: refund,
  })
}

describe('Stripe’s own SDK over Stripe’s key semantics', () => {
  it('without protection: every call that an agent repeats is one more refund, and the SDK’s keys do not help', async () => {
    await service.plan('fail-after', 'fail-after')
    await thrice(() => sdk.refunds.create({ charge: 'before', amount: 5 }))
    expect(await service.refunds('before')).toEqual([5, 5, 5])
  })

  describe.each(WAYS)('%s', (name, refund) => {
    const charge = (what: string): string => `${what}, ${name}`
    const once = (what: string, tool = refundTool(refund)): Promise<unknown> =>
      tool.perform({ charge: charge(what), amount: 7 }, { onDoubt: 'wait' })

    it('a stored 500 after the effect: found by asking, one refund [SH-5]', async () => {
      uninstall = install()
      await service.plan('fail-after')
      expect(await once('fail-after')).toMatchObject({ status: 'committed', value: { amount: 7 } })
      expect(await service.refunds(charge('fail-after'))).toEqual([7])
    })

    it('a stored 500 before the effect: found absent, run again under a new key, one refund', async () => {
      uninstall = install()
      await service.plan('fail-before')
      expect(await once('fail-before')).toMatchObject({ status: 'committed', value: { amount: 7 } })
      expect(await service.refunds(charge('fail-before'))).toEqual([7])
    })

    it('a lost answer: the repeat is given the first one’s refund', async () => {
      uninstall = install()
      await service.plan('lose-answer')
      expect(await once('lose-answer')).toMatchObject({ status: 'committed', value: { object: 'refund' } })
      expect(await service.refunds(charge('lose-answer'))).toEqual([7])
    })

    it('an agent that insists, in all three tries: one refund', async () => {
      uninstall = install()
      const tool = refundTool(refund)
      await service.plan('fail-after')
      await Promise.allSettled(Array.from({ length: 3 }, () => once('insists', tool)))
      expect(await service.refunds(charge('insists'))).toEqual([7])
    })
  })

  it('409 while the first is under way, and 400 for other parameters: neither is an effect', async () => {
    guard = testGuard({ settings: { leaseMs: 30_000, heartbeatMs: 10_000 } })
    const options = { idempotencyKey: 'one-key' }
    await service.plan('slow')
    const [first, second, third] = await Promise.allSettled([
      sdk.refunds.create({ charge: 'slow', amount: 1 }, options),
      new Promise((resolve) => setTimeout(resolve, 20)).then(() =>
        sdk.refunds.create({ charge: 'slow', amount: 1 }, options),
      ),
      new Promise((resolve) => setTimeout(resolve, 20)).then(() =>
        sdk.refunds.create({ charge: 'slow', amount: 2 }, options),
      ),
    ])
    expect(first.status).toBe('fulfilled')
    expect(second).toMatchObject({ reason: { statusCode: 409 } })
    expect(third).toMatchObject({ reason: { statusCode: 400, type: 'StripeIdempotencyError' } })
    expect(await service.refunds('slow')).toEqual([1])
  })
})
