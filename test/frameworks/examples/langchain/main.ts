/**
 * A LangChain agent refunds a return over a provider that loses its first answer, and is started again by whoever called
 * it; a LangGraph graph crashes after its payment and is resumed. Asserts what the provider's own books say.
 */
import { AIMessage } from '@langchain/core/messages'
import { MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import assert from 'node:assert/strict'
import { startProvider } from '../../../../examples/refund/provider.ts'
import { persistent, ScriptedModel } from '../../langchain/model.ts'
// #region imports
import { tool } from '@langchain/core/tools'
import { createAgent } from 'langchain'
import { keyed, onefold } from 'onefold'
import { onefoldFetch } from 'onefold/fetch'
import { protectNode, protectTools } from 'onefold/langchain'
import { memoryStore } from 'onefold/memory'
import * as z from 'zod'
// #endregion imports

await using provider = await startProvider()
const guard = onefold({ store: memoryStore(), allowVolatile: true })
const model = new ScriptedModel(persistent([['refund_return', { returnId: 'R-7', charge: 'ch_1', amount: 4_200 }]]))
const messages = [{ role: 'user', content: 'Refund return R-7, please.' }]

// #region tools
const send = onefoldFetch() // carries the key of the operation that is executing

const refundReturn = tool(
  async ({ charge, amount }) => {
    const answer = await send(`${provider.url}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return await answer.text()
  },
  {
    name: 'refund_return',
    description: 'Refunds a return',
    schema: z.object({ returnId: z.string(), charge: z.string(), amount: z.number() }),
  },
)

const tools = protectTools(guard, [refundReturn], {
  refund_return: { identity: ['returnId'], recovery: keyed('24h') },
})
const agent = createAgent({ model, tools })

const answer = await guard.run({ id: 'request-1' }, () => agent.invoke({ messages }))
// #endregion tools
const again = await guard.run({ id: 'request-1' }, () => agent.invoke({ messages }))
assert.equal(again.messages.at(-1)?.text, answer.messages.at(-1)?.text)
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])

// #region node
const pay = protectNode(
  guard,
  async () => {
    const answer = await send(`${provider.url}/refunds`, {
      method: 'POST',
      body: JSON.stringify({ charge: 'ch_2', amount: 900 }),
    })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    crashOnce()
    return { messages: [new AIMessage('refunded')] }
  },
  { name: 'pay', recovery: keyed('24h') },
)
const graph = new StateGraph(MessagesAnnotation)
  .addNode('pay', pay)
  .addEdge(START, 'pay')
  .compile({ checkpointer: new MemorySaver() })
// #endregion node

let crashes = 1
function crashOnce(): void {
  if (crashes-- > 0) throw new Error('the process dies after the effect')
}
const thread = { configurable: { thread_id: 'thread-1' } }
const end = await graph.invoke({ messages }, thread).catch(() => graph.invoke(null, thread))
assert.equal(end.messages.at(-1)?.text, 'refunded')
assert.deepEqual(provider.refunds()[1], { charge: 'ch_2', amount: 900 })
assert.equal(provider.refunds().length, 2)

console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refunds`)
await guard.close()
