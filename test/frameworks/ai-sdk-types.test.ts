import { tool as tool7, generateText, jsonSchema } from 'ai'
import { tool as tool6, generateText as generateText6 } from 'ai-6'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import type Anthropic from '@anthropic-ai/sdk'
import { describe, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual, type Guard } from '../../src/index.ts'
import { protectModel, protectTools, toAiSdk } from '../../src/adapter/ai-sdk/index.ts'
import { protectTools as protectAnthropic, toAnthropic } from '../../src/adapter/anthropic/index.ts'
import { testGuard } from '../support/guard.ts'
import { MAJORS, scriptedModel, text } from './support/ai-sdk.ts'

const guard: Guard = testGuard()
const input = z.object({ order: z.string(), item: z.object({ sku: z.string() }), note: z.string().optional() })
type Input = z.infer<typeof input>

const seven = {
  charge: tool7({ inputSchema: input, execute: async ({ order }) => ({ id: order, cents: 1 }) }),
  count: tool7({ inputSchema: jsonSchema<{ n: number }>({ type: 'object' }), execute: ({ n }) => n }),
  stream: tool7({
    inputSchema: input,
    async *execute() {
      yield 'part'
    },
  }),
  client: tool7({ inputSchema: input }),
}
const six = {
  charge: tool6({ inputSchema: input, execute: async ({ order }) => ({ id: order, cents: 1 }) }),
  client: tool6({ inputSchema: input }),
}
const contract = { identity: ['order', 'item.sku'], ignore: ['note'], recovery: keyed('24h') } as const

/* What tsc checks here fails `npm test` in its own step; running the file shows that the code is reached. */
describe('types', () => {
  it('a protected tool set has exactly the type of the unprotected one, in both majors', () => {
    expectTypeOf(protectTools(guard, seven, { charge: contract, count: 'read' })).toEqualTypeOf<typeof seven>()
    expectTypeOf(protectTools(guard, six, { charge: contract })).toEqualTypeOf<typeof six>()
    expectTypeOf(protectTools(guard, seven, {}, { warn: () => {} })).toEqualTypeOf<typeof seven>()
  })

  it('a contract names fields of its own tool, and a tool of the set', () => {
    // @ts-expect-error -- no such field
    void (() => protectTools(guard, seven, { charge: { identity: ['ordr'], recovery: manual() } }))
    // @ts-expect-error -- no such field
    void (() => protectTools(guard, six, { charge: { identity: ['order'], ignore: ['nota'], recovery: manual() } }))
    // @ts-expect-error -- no such tool
    void (() => protectTools(guard, seven, { charg: 'read' }))
    // @ts-expect-error -- a write without recovery
    void (() => protectTools(guard, seven, { charge: { identity: ['order'] } }))
    void (() =>
      protectTools(guard, seven, {
        charge: {
          identity: (given) => [expectTypeOf(given).toEqualTypeOf<Input>(), given.order],
          recovery: manual(),
          verify: (outcome) => expectTypeOf(outcome).toEqualTypeOf<{ id: string; cents: number }>() !== undefined,
        },
      }))
  })

  it('results stay typed through generateText, in both majors', () => {
    const typed = async (): Promise<void> => {
      const { model } = scriptedModel(MAJORS[0]!, () => [text('')])
      // `ai` itself does not take a tool without execute under exactOptionalPropertyTypes.
      const { client: _seven, ...runnable } = seven
      const { toolResults } = await generateText({ model, tools: protectTools(guard, runnable), prompt: '' })
      for (const result of toolResults)
        if (!result.dynamic && result.toolName === 'charge')
          expectTypeOf(result.output).toEqualTypeOf<{ id: string; cents: number }>()
      const { client: _six, ...runnable6 } = six
      const six2 = await generateText6({ model: '' as never, tools: protectTools(guard, runnable6), prompt: '' })
      for (const result of six2.toolResults)
        if (!result.dynamic && result.toolName === 'charge')
          expectTypeOf(result.output).toEqualTypeOf<{ id: string; cents: number }>()
    }
    expectTypeOf(typed).toBeFunction()
  })

  it('a model keeps its type, and tools of guard.tool fit into tool sets', () => {
    const { model } = scriptedModel(MAJORS[0]!, () => [text('')])
    expectTypeOf(protectModel(guard, model)).toEqualTypeOf(model)
    const refund = guard.tool({
      name: 'refund',
      input,
      effect: 'write',
      identity: ['order'],
      recovery: manual(),
      execute: ({ order }) => ({ order }),
    })
    void (() => generateText({ model, tools: { refund: toAiSdk(refund) }, prompt: '' }))
    void (() => generateText6({ model: '' as never, tools: { refund: toAiSdk(refund) }, prompt: '' }))
    void ((client: Anthropic) =>
      client.beta.messages.toolRunner({ model: 'm', max_tokens: 1, messages: [], tools: [toAnthropic(refund)] }))
  })

  it('Anthropic tools keep their type, and stay what the runner takes', () => {
    const tools = [betaZodTool({ name: 'charge', description: '', inputSchema: input, run: () => 'ok' })]
    expectTypeOf(protectAnthropic(testGuard(), tools, { charge: contract })).toEqualTypeOf<typeof tools>()
    void ((client: Anthropic) =>
      client.beta.messages.toolRunner({
        model: 'm',
        max_tokens: 1,
        messages: [],
        tools: protectAnthropic(guard, tools),
      }))
  })
})
