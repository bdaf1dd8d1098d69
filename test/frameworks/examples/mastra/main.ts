/**
 * A Mastra agent refunds a return over a provider that loses its first answer; then a workflow step that is retried does
 * another. Asserts what the provider's own books say.
 */
import assert from 'node:assert/strict'
import { startProvider } from '../../../../examples/refund/provider.ts'
import { persistent, scriptedModel } from '../../mastra/model.ts'
// #region imports
import { Agent } from '@mastra/core/agent'
import * as mastra from '@mastra/core/tools'
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { keyed, onefold } from 'onefold'
import { onefoldFetch } from 'onefold/fetch'
import { protectStep, protectTool } from 'onefold/mastra'
import { memoryStore } from 'onefold/memory'
import * as z from 'zod'
// #endregion imports

await using provider = await startProvider()
const guard = onefold({ store: memoryStore(), allowVolatile: true })
const script = persistent([['refund_return', { returnId: 'R-7', charge: 'ch_1', amount: 4_200 }]], (answer) =>
  answer.includes('re_'),
)
const model = scriptedModel(script) as never

// #region tools
const send = onefoldFetch() // carries the key of the operation that is executing

async function refund(charge: string, amount: number): Promise<{ id: string }> {
  const answer = await send(`${provider.url}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
  if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
  return (await answer.json()) as { id: string }
}

const createTool = protectTool(guard, mastra.createTool, {
  refund_return: { identity: ['returnId'], recovery: keyed('24h') },
})

const refundReturn = createTool({
  id: 'refund_return',
  description: 'Refunds a return',
  inputSchema: z.object({ returnId: z.string(), charge: z.string(), amount: z.number() }),
  execute: ({ charge, amount }) => refund(charge, amount),
})

const agent = new Agent({
  id: 'support',
  name: 'support',
  instructions: 'Refund returns.',
  model,
  tools: { refund_return: refundReturn },
})
await guard.run({ id: 'request-1' }, () => agent.generate('Refund return R-7, please.', { maxSteps: 5 }))
// #endregion tools
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])

// #region step
let crashes = 1
const pay = createStep({
  id: 'pay',
  inputSchema: z.object({}),
  outputSchema: z.object({ id: z.string() }),
  retries: 2,
  execute: protectStep(
    guard,
    async () => {
      const refunded = await refund('ch_2', 900)
      if (crashes-- > 0) throw new Error('a later line fails')
      return refunded
    },
    { name: 'pay', recovery: keyed('24h') },
  ),
})
// #endregion step
const workflow = createWorkflow({
  id: 'refunds',
  inputSchema: z.object({}),
  outputSchema: z.object({ id: z.string() }),
})
  .then(pay)
  .commit()
const end = await (await workflow.createRun()).start({ inputData: {} })
assert.equal(end.status, 'success')
assert.equal(provider.refunds().length, 2)

console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refunds`)
await guard.close()
