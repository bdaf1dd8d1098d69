/**
 * Anthropic's tool runner starts tools while the reply still streams. Here the reply breaks off after the tool has run,
 * and the run is tried again. Asserts what the payment provider's own books say. The model is a loopback server.
 */
import assert from 'node:assert/strict'
import { startProvider } from '../refund/provider.ts'
import { startModel } from './model.ts'
// #region imports
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { keyed, onefold } from 'onefold'
import { anthropicFetch, protectTools } from 'onefold/anthropic'
import { onefoldFetch } from 'onefold/fetch'
import { memoryStore } from 'onefold/memory'
import * as z from 'zod'
// #endregion imports

await using provider = await startProvider()
await using server = await startModel('refund', { returnId: 'R-7', charge: 'ch_1', amount: 4_200 }, () => ran.promise)
const ran = Promise.withResolvers<void>()
const guard = onefold({ store: memoryStore(), allowVolatile: true })

// #region tools
const client = new Anthropic({ baseURL: server.url, apiKey: 'none', fetch: anthropicFetch(guard) })
const send = onefoldFetch() // carries the key of the operation that is executing

const refund = betaZodTool({
  name: 'refund',
  description: 'Refunds a return',
  inputSchema: z.object({ returnId: z.string(), charge: z.string(), amount: z.number() }),
  run: async ({ charge, amount }) => {
    const answer = await send(`${provider.url}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
    ran.resolve()
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return await answer.text()
  },
})

const once = () =>
  guard.run({ id: 'request-1' }, async (run) => {
    // The runner is lazy and would lose the run: it is bound to the tools.
    const tools = protectTools(guard, [refund], { refund: { identity: ['returnId'], recovery: keyed('24h') } }, { run })
    await client.beta.messages
      .toolRunner({
        model: 'claude',
        max_tokens: 1_000,
        messages: [{ role: 'user', content: 'Refund return R-7.' }],
        tools,
        stream: true,
        runToolsEagerly: true,
      })
      .runUntilDone()
    return await run.receipt()
  })
// #endregion tools

await assert.rejects(once(), 'the first reply breaks off')
const receipt = await once()
assert.equal(receipt.committed.length, 1)
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])
console.log('receipt', JSON.stringify(receipt))
console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refund`)
await guard.close()
