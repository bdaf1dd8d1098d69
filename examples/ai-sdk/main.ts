/**
 * An AI SDK agent refunds a return over a provider that loses its first answer; its stream is stopped, and the user asks
 * again. Asserts what the provider's own books say, and how often the model was sampled. The model is a script.
 */
import assert from 'node:assert/strict'
import { startProvider } from '../refund/provider.ts'
import { scriptedModel } from './model.ts'
// #region imports
import { isStepCount, streamText, tool } from 'ai'
import { keyed, onefold } from 'onefold'
import { protectModel, protectTools } from 'onefold/ai-sdk'
import { onefoldFetch } from 'onefold/fetch'
import { memoryStore } from 'onefold/memory'
import * as z from 'zod'
// #endregion imports

await using provider = await startProvider()
const guard = onefold({ store: memoryStore(), allowVolatile: true })
const script = scriptedModel('refund', { returnId: 'R-7', charge: 'ch_1', amount: 4_200 })

// #region tools
const send = onefoldFetch() // carries the key of the operation that is executing

const refund = tool({
  description: 'Refunds a return',
  inputSchema: z.object({ returnId: z.string(), charge: z.string(), amount: z.number() }),
  execute: async ({ charge, amount }) => {
    const answer = await send(`${provider.url}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return (await answer.json()) as { id: string }
  },
})

const tools = protectTools(
  guard,
  { refund },
  {
    refund: { identity: ['returnId'], amount: 'amount', recovery: keyed('24h') },
  },
)
const model = protectModel(guard, script.model)
// #endregion tools

// #region stream
const ask = (requestId: string, stopped: AbortSignal) =>
  guard.run({ id: requestId }, async (run) => {
    const { fullStream } = streamText({
      model,
      tools,
      stopWhen: isStepCount(5),
      abortSignal: stopped,
      prompt: 'Refund return R-7.',
    })
    for await (const part of fullStream) tell(part.type)
    await run.settled() // what was stopped while it ran goes on to its end
    return await run.receipt()
  })
// #endregion stream

const stop = new AbortController()
let stopAt: string | undefined = 'tool-result'
const tell = (part: string): void => {
  if (part === stopAt) stop.abort()
}

const stopped = await ask('request-1', stop.signal)
assert.equal(stop.signal.aborted, true)
stopAt = undefined
const samples = script.samples()
const receipt = await ask('request-1', new AbortController().signal)

assert.deepEqual(receipt.committed, stopped.committed)
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])
assert.ok(script.samples() <= samples + 1, 'the first answer of the model was sampled again')
console.log('receipt', JSON.stringify(receipt))
console.log(`${provider.requests()} requests reached the provider; its books hold ${provider.refunds().length} refund`)
await guard.close()
