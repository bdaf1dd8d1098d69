/**
 * Stripe's real SDK against a service with Stripe's key semantics. An agent asks for one refund three times, each time
 * something else is lost. Asserts what the service's books say: three refunds without Onefold, one with it.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Stripe from 'stripe'
import { startStripeLike } from './stripe-like.ts'
import { keyed, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import * as z from 'zod'

await using service = await startStripeLike()
const folder = mkdtempSync(join(tmpdir(), 'onefold-stripe-'))
const options = { host: '127.0.0.1', port: service.port, protocol: 'http', telemetry: false } as const
const stripe = new Stripe('sk_test_x', { ...options, maxNetworkRetries: 0 })

/** What agents do with an error: call again. */
async function insist<T>(call: () => Promise<T>): Promise<T | undefined> {
  for (let n = 0; n < 3; n += 1) {
    try {
      return await call()
    } catch {
      // The model is told "connection error" and calls the tool again.
    }
  }
  return undefined
}

// Without: the SDK makes up a new key at every call, so each call whose answer was a failure is one more refund.
service.plan('fail-after', 'fail-after')
await insist(() => stripe.refunds.create({ charge: 'ch_before', amount: 4_200 }))
const before = service.books().filter(({ charge }) => charge === 'ch_before').length
console.log(`without Onefold: one refund was wanted, ${before} are in the books`)
assert.equal(before, 3)

// #region tool
const input = z.object({ returnId: z.string(), chargeId: z.string(), amountCents: z.number().int() })
const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')) })

const refundReturn = guard.tool({
  name: 'refund_return',
  input,
  effect: 'write',
  identity: ['returnId'],
  // Stripe answers a stored 500 again under the same key: sending again cannot settle it, asking can.
  recovery: keyed('24h', {
    probe: async ({ returnId, chargeId }: z.infer<typeof input>) => {
      const refunds = await stripe.refunds.list({ charge: chargeId })
      const value = refunds.data.find(({ metadata }) => metadata?.['return_id'] === returnId)
      return value === undefined ? { found: false } : { found: true, value }
    },
  }),
  execute: async ({ returnId, chargeId, amountCents }, ctx) => {
    ctx.checkpoint()
    return await stripe.refunds.create(
      { charge: chargeId, amount: amountCents, metadata: { return_id: returnId } },
      { idempotencyKey: ctx.downstreamKey('stripe') },
    )
  },
})
// #endregion tool

// A lost answer: the second send under the same key is answered with the first one's refund.
service.plan('lose-answer')
const lost = await insist(() => refundReturn({ returnId: 'R-1', chargeId: 'ch_1', amountCents: 4_200 }))

// A stored 500 after the effect: the probe finds the refund.
service.plan('fail-after')
const call = { returnId: 'R-2', chargeId: 'ch_2', amountCents: 1_000 }
const failed = await insist(() => refundReturn(call, { onDoubt: 'wait' }))

// Other parameters for the same return: refused here, before Stripe has to.
const other = await refundReturn({ ...call, amountCents: 9_999 }).catch((error: unknown) => error)
assert.equal((other as { code?: string }).code, 'KEY_REUSED')

const after = service.books().filter(({ charge }) => charge !== 'ch_before')
console.log(
  `with Onefold: ${after.length} refunds for two returns; answered ${service.statuses().slice(-4).join(', ')}`,
)
assert.deepEqual(
  after.map(({ charge, amount }) => [charge, amount]),
  [
    ['ch_1', 4_200],
    ['ch_2', 1_000],
  ],
)
assert.equal(lost?.id, after[0]?.id)
assert.equal(failed?.id, after[1]?.id)

await guard.close()
rmSync(folder, { recursive: true, force: true })
