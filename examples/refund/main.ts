/**
 * One refund, asked for twice in different words, over a provider that loses its first answer.
 * Asserts what the provider's own books say, and exits non-zero when they say anything but one refund.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProvider } from './provider.ts'
// #region declare
import { keyed, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import * as z from 'zod'
// #endregion declare

const folder = mkdtempSync(join(tmpdir(), 'onefold-refund-'))
const file = join(folder, 'effects.db')
await using provider = await startProvider()
const requestId = 'request-1'

// #region tool
const guard = onefold({ store: sqliteStore(file) })

const refundReturn = guard.tool({
  name: 'refund_return',
  input: z.object({ returnId: z.string(), chargeId: z.string(), amountCents: z.number().int(), reason: z.string() }),
  effect: 'write',
  identity: ['returnId'], // the same return is the same refund, however often it is asked for
  ignore: ['reason'], // may be worded differently on a repeat; every other field must match
  retention: '7d',
  recovery: keyed('24h'), // the provider honours our key for a day: an unknown outcome settles itself
  amount: 'amountCents',
  execute: async (input, ctx) => {
    const answer = await ctx.fetch(`${provider.url}/refunds`, {
      method: 'POST',
      body: JSON.stringify({ charge: input.chargeId, amount: input.amountCents }),
    })
    // What is returned counts as done, and is replayed: an answer that is no success has to be thrown.
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return (await answer.json()) as { id: string }
  },
})
// #endregion tool

// #region call
const input = { returnId: 'R-7', chargeId: 'ch_1', amountCents: 4_200, reason: 'too small' }

const receipt = await guard.run({ id: requestId }, async (run) => {
  const first = await refundReturn(input)
  const again = await refundReturn({ ...input, reason: 'does not fit' }) // the model asks once more, in other words
  assert.deepEqual(again, first)
  return run.receipt()
})
// #endregion call

console.log('receipt', JSON.stringify(receipt))
console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refund`)
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])

await guard.close()
rmSync(folder, { recursive: true, force: true })
