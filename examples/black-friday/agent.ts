import { generateText, isStepCount, jsonSchema, tool, type ToolSet } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import type { Agent, Attempt } from '../../src/scenario/black-friday/agent.ts'
import { newMind, nextTurn, type ModelRead, type ToolName } from '../../src/scenario/black-friday/model.ts'
import type { ToolInput } from '../../src/scenario/black-friday/tools.ts'

type Generate = Extract<MockLanguageModelV4['doGenerate'], (...args: never[]) => unknown>
type Prompt = Parameters<Generate>[0]['prompt']

/** More steps than the scripted model ever takes. */
const MOST_STEPS = 20

const input = jsonSchema<ToolInput>({ type: 'object', additionalProperties: { type: ['string', 'number'] } })

/** An AI SDK agent loop, one for each attempt at an order. Only the model is scripted. */
export const agent: Agent = async (attempt) => {
  const tools: ToolSet = Object.fromEntries(
    Object.entries(attempt.tools).map(([name, execute]) => [name, tool({ inputSchema: input, execute })]),
  )
  const { order } = attempt
  await generateText({
    model: scriptedModel(attempt),
    tools,
    stopWhen: isStepCount(MOST_STEPS),
    prompt: `Order ${order.id}: reserve ${order.quantity} of ${order.sku}, transfer ${order.cents} cents, confirm, tell the customer.`,
  })
}

function scriptedModel({ order, attempt, seed, think }: Attempt): MockLanguageModelV4 {
  const mind = newMind(seed, order, attempt)
  let calls = 0
  return new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      await think()
      const turn = nextTurn(mind, lastRead(prompt))
      return {
        content:
          turn === undefined
            ? [{ type: 'text' as const, text: `Order ${order.id} is confirmed.` }]
            : turn.map((call) => ({
                type: 'tool-call' as const,
                toolCallId: `call_${attempt}_${++calls}`,
                toolName: call.name,
                input: JSON.stringify(call.input),
              })),
        finishReason: { unified: turn === undefined ? ('stop' as const) : ('tool-calls' as const), raw: undefined },
        usage: {
          inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 0, text: 0, reasoning: 0 },
        },
        warnings: [],
      }
    },
  })
}

/** What the tools answered to the model's last turn. */
function lastRead(prompt: Prompt): readonly ModelRead[] {
  const last = prompt.at(-1)
  if (last?.role !== 'tool') return []
  return last.content.flatMap((part) =>
    part.type !== 'tool-result'
      ? []
      : [{ name: part.toolName as ToolName, error: part.output.type === 'error-text' ? part.output.value : undefined }],
  )
}
