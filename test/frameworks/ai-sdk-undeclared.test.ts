import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { ModelMessage, ToolSet } from 'ai'
import { protectModel, protectTools } from '../../src/adapter/ai-sdk/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { charge } from './support/scenario.ts'
import { MAJORS, outputOf, scriptedModel, text, toolCall, type AiSdk } from './support/ai-sdk.ts'

const inputSchema = z.object({ order: z.string(), amount: z.number() })
const quiet = { warn: () => {} }

let downstream: Downstream
let guard: Guard
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(async () => await downstream.close())
beforeEach(() => {
  guard = testGuard()
})
afterEach(async () => await guard.close())

let orders = 0
const newOrder = (): string => `undeclared-order-${++orders}`
const chargeTool = ({ ai }: AiSdk) =>
  ai.tool({ description: 'charges a card', inputSchema, execute: async (input) => await charge(downstream, input) })

/** What tells a retry from new work where no contract does: what the model was shown, and the framework's name of a call. */
describe.each(MAJORS)('$name, a tool without a contract', (sdk) => {
  const { ai } = sdk
  const stopWhen = ai.stepCountIs(6)

  it('[SH-9] runs an undeclared tool again once the model has seen its answer, and not before', async () => {
    const order = newOrder()
    const input = { order, amount: 100 }
    const told: string[] = []
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, {}, { warn: (said) => told.push(said) })
    // Its second call comes in a later request, which holds the first result.
    const { model } = scriptedModel(sdk, (_prompt, sample) =>
      sample <= 2 ? [toolCall('charge', input)] : [text('Done.')],
    )
    await guard.run({ id: order }, () => ai.generateText({ model, tools, stopWhen, prompt: 'go' }))
    expect(await downstream.effects(order)).toBe(2)
    protectTools(guard, { charge: chargeTool(sdk) }, {}, { warn: (said) => told.push(said) })
    expect(told).toEqual([expect.stringContaining("charge: { identity: ['order', 'amount'], recovery: manual() }")])
  })

  it.each([
    ['unprotected', false, 2],
    ['guarded without a contract', true, 1],
  ])(
    'runs a call once that comes again under its id after its answer was delivered: %s',
    async (_title, isProtected, wanted) => {
      const order = newOrder()
      const own = { charge: chargeTool(sdk) }
      const tools: ToolSet = isProtected ? protectTools(guard, own, {}, quiet) : own
      const call = toolCall('charge', { order, amount: 100 })
      // An approval that is posted again: the framework runs the same call, whatever came of the first time.
      const { model } = scriptedModel(sdk, (_prompt, sample) => (sample % 2 === 1 ? [call] : [text('Done.')]))
      const used = isProtected ? protectModel(guard, model) : model
      for (const prompt of ['go', 'go again']) await ai.generateText({ model: used, tools, stopWhen, prompt })
      expect(await downstream.effects(order)).toBe(wanted)
    },
  )

  it.each([
    ['unprotected', false, 2],
    ['guarded without a contract', true, 1],
  ])('takes a model request that failed for no evidence of delivery: %s', async (_title, isProtected, wanted) => {
    const order = newOrder()
    const own = { charge: chargeTool(sdk) }
    const tools: ToolSet = isProtected ? protectTools(guard, own, {}, quiet) : own
    const script = scriptedModel(sdk, (prompt, sample) => {
      if (outputOf(prompt) === undefined) return [toolCall('charge', { order, amount: 100 })]
      if (sample === 2) throw new Error('overloaded')
      return [text('Done.')]
    })
    const model = isProtected ? protectModel(guard, script.model) : script.model
    const go = async (): Promise<string> =>
      (await ai.generateText({ model, tools, stopWhen, prompt: 'go', maxRetries: 0 })).text
    await expect(go()).rejects.toThrow('overloaded')
    expect(await go()).toBe('Done.')
    expect(await downstream.effects(order)).toBe(wanted)
    // Once the model went on with it, an equal call is new work.
    await go()
    expect(await downstream.effects(order)).toBe(wanted + 1)
  })

  it('takes the history of another run, whose calls have the same ids, for no evidence', async () => {
    const order = newOrder()
    const tools = protectTools(guard, { charge: chargeTool(sdk) }, {}, quiet)
    // As providers name calls that begin anew in each conversation.
    const go = async (run: string, id: string, breaks: boolean): Promise<unknown> => {
      const { model } = scriptedModel(sdk, (prompt) => {
        if (outputOf(prompt) === undefined) return [{ ...toolCall('charge', { order, amount: 100 }), toolCallId: id }]
        if (breaks) throw new Error('overloaded')
        return [text('Done.')]
      })
      return await guard.run({ id: run }, () =>
        ai.generateText({ model: protectModel(guard, model), tools, stopWhen, prompt: id, maxRetries: 0 }),
      )
    }
    const earlier: ModelMessage[] = [
      { role: 'user', content: 'charge it' },
      {
        role: 'assistant',
        content: [{ type: 'tool-call', toolCallId: 'call_0', toolName: 'charge', input: { order: 'other' } }],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'call_0', toolName: 'charge', output: { type: 'text', value: 'ok' } },
        ],
      },
      { role: 'user', content: 'thanks' },
    ]
    const { model } = scriptedModel(sdk, () => [text('Welcome.')])
    const first = `first of ${order}`
    await expect(go(first, 'call_0', true)).rejects.toThrow('overloaded')
    await guard.run({ id: `second of ${order}` }, () =>
      ai.generateText({ model: protectModel(guard, model), tools, messages: earlier }),
    )
    await go(first, 'call_1', false)
    expect(await downstream.effects(order)).toBe(1)
    // Its own history is evidence: what it asks for after that is new work.
    await go(first, 'call_2', false)
    expect(await downstream.effects(order)).toBe(2)
  })

  it('keeps the tools of one name of two sets apart where it is said where they come from', async () => {
    const order = newOrder()
    const { model } = scriptedModel(sdk, (prompt) =>
      outputOf(prompt) === undefined ? [toolCall('charge', { order, amount: 100 })] : [text('Done.')],
    )
    const effectsOf = async (...sets: readonly string[]): Promise<number> => {
      for (const from of sets) {
        const tools = protectTools(guard, { charge: chargeTool(sdk) }, {}, { ...quiet, from })
        await ai.generateText({ model, tools, stopWhen, prompt: 'go' })
      }
      return await downstream.effects(order)
    }
    expect(await effectsOf('acme', 'acme')).toBe(1)
    expect(await effectsOf('globex', 'acme')).toBe(2)
  })
})
