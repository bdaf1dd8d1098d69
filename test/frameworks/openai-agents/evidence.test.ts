import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool } from '@openai/agents'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openAiFetch, protectTool } from '../../../src/adapter/openai-agents/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { llmFetch } from '../../../src/llm/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { charge, type ChargeInput } from '../support/scenario.ts'

let downstream: Downstream
beforeAll(async () => {
  setTracingDisabled(true)
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const guards: Guard[] = []
afterEach(async () => await Promise.all(guards.splice(0).map((guard) => guard.close())))
const newGuard = (): Guard => {
  const guard = testGuard()
  guards.push(guard)
  return guard
}

let [orders, calls] = [0, 0]
const newOrder = (): string => `evidence-${++orders}`

/** What a provider answers, one after the other: a call of the tool, its final text, or an error. */
type Turn = 'call' | 'done' | 'fail'

interface Api {
  readonly name: string
  readonly modelOn: (client: OpenAI) => OpenAIChatCompletionsModel | OpenAIResponsesModel
  readonly answer: (input: ChargeInput | undefined) => object
}

const APIS: readonly Api[] = [
  {
    name: 'Chat Completions',
    modelOn: (client) => new OpenAIChatCompletionsModel(client as never, 'm'),
    answer: (input) => ({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [
        {
          index: 0,
          finish_reason: input === undefined ? 'stop' : 'tool_calls',
          message:
            input === undefined
              ? { role: 'assistant', content: 'Done.' }
              : {
                  role: 'assistant',
                  content: null,
                  tool_calls: [
                    {
                      id: `call-${++calls}`,
                      type: 'function',
                      function: { name: 'charge', arguments: JSON.stringify(input) },
                    },
                  ],
                },
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }),
  },
  {
    name: 'Responses',
    modelOn: (client) => new OpenAIResponsesModel(client as never, 'm'),
    answer: (input) => ({
      id: 'r',
      object: 'response',
      created_at: 1,
      model: 'm',
      status: 'completed',
      output: [
        input === undefined
          ? {
              id: 'm1',
              type: 'message',
              role: 'assistant',
              status: 'completed',
              content: [{ type: 'output_text', text: 'Done.', annotations: [] }],
            }
          : {
              id: `f-${++calls}`,
              type: 'function_call',
              status: 'completed',
              call_id: `call-${calls}`,
              name: 'charge',
              arguments: JSON.stringify(input),
            },
      ],
      usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
    }),
  },
]

describe.each(APIS)('a tool of OpenAI Agents without a contract, over $name', ({ modelOn, answer }) => {
  /** Runs an agent for each list of turns; how many effects there were in the end. */
  async function effectsOf(
    runs: readonly (readonly Turn[])[],
    protect?: { readonly guard: Guard; readonly fetchOf: typeof llmFetch },
  ): Promise<number> {
    const input = { order: newOrder(), amount: 100 }
    const left = runs.flat()
    const provider: typeof fetch = async () => {
      const turn = left.shift()
      if (turn === 'fail') return Response.json({ error: { message: 'boom' } }, { status: 500 })
      return Response.json(answer(turn === 'call' ? input : undefined))
    }
    const own = protect === undefined ? provider : protect.fetchOf(protect.guard, { fetch: provider })
    const client = new OpenAI({ apiKey: 'x', baseURL: 'http://provider.invalid/v1', maxRetries: 0, fetch: own })
    const make = protect === undefined ? tool : protectTool(protect.guard, tool, {}, { warn: () => {} })
    const chargeTool = make({
      name: 'charge',
      description: 'charges an order',
      parameters: z.object({ order: z.string(), amount: z.number() }),
      execute: (given) => charge(downstream, given),
    })
    const agent = new Agent({ name: 'a', instructions: 'x', model: modelOn(client), tools: [chargeTool] })
    for (const turns of runs) {
      const running = run(agent, 'charge it')
      if (turns.includes('fail')) await expect(running).rejects.toThrow('boom')
      else await running
    }
    expect(left).toEqual([])
    return await downstream.effects(input.order)
  }

  const WANTED_TWICE = [['call', 'call', 'done']] as const
  const TRIED_AGAIN = [
    ['call', 'fail'],
    ['call', 'done'],
  ] as const

  it('control: nothing tells a retry from new work', async () => {
    expect(await effectsOf(WANTED_TWICE)).toBe(2)
    expect(await effectsOf(TRIED_AGAIN)).toBe(2)
  })

  it('openAiFetch tells new work from a retry', async () => {
    const guard = newGuard()
    expect(await effectsOf(WANTED_TWICE, { guard, fetchOf: openAiFetch })).toBe(2)
    expect(await effectsOf(TRIED_AGAIN, { guard, fetchOf: openAiFetch })).toBe(1)
  })

  it('without it an equal call is a retry', async () => {
    const guard = newGuard()
    expect(await effectsOf(WANTED_TWICE, { guard, fetchOf: llmFetch })).toBe(1)
    expect(await effectsOf(TRIED_AGAIN, { guard, fetchOf: llmFetch })).toBe(1)
  })
})
