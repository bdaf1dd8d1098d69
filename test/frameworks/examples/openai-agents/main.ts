/**
 * An agent of the OpenAI Agents SDK refunds a return over a provider that loses its first answer; then the whole run is
 * started again. Asserts what the provider's own books say.
 */
import assert from 'node:assert/strict'
import { startProvider } from '../../../../examples/refund/provider.ts'
import { persistent, scriptedModel } from '../../openai-agents/model.ts'
// #region imports
import * as agents from '@openai/agents'
import { keyed, onefold } from 'onefold'
import { onefoldFetch } from 'onefold/fetch'
import { memoryStore } from 'onefold/memory'
import { protectTool } from 'onefold/openai-agents'
import * as z from 'zod'
// #endregion imports

agents.setTracingDisabled(true)
await using provider = await startProvider()
const guard = onefold({ store: memoryStore(), allowVolatile: true })
const told: string[] = []
const model = scriptedModel(
  persistent(
    [['refund_return', { returnId: 'R-7', charge: 'ch_1', amount: 4_200 }]],
    (answer) => answer.includes('re_'),
    told,
  ),
)

// #region tools
const send = onefoldFetch() // carries the key of the operation that is executing

const tool = protectTool(guard, agents.tool, {
  refund_return: { identity: ['returnId'], recovery: keyed('24h') },
})

const refundReturn = tool({
  name: 'refund_return',
  description: 'Refunds a return',
  parameters: z.object({ returnId: z.string(), charge: z.string(), amount: z.number() }),
  execute: async ({ charge, amount }) => {
    const answer = await send(`${provider.url}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return await answer.text()
  },
})

const agent = new agents.Agent({ name: 'support', instructions: 'Refund returns.', model, tools: [refundReturn] })
const answer = await guard.run({ id: 'request-1' }, () => agents.run(agent, 'Refund return R-7, please.'))
// #endregion tools
const again = await guard.run({ id: 'request-1' }, () => agents.run(agent, 'Refund return R-7, please.'))

assert.equal(again.finalOutput, answer.finalOutput)
assert.equal(told[1], told[0])
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])

console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refund`)
await guard.close()
